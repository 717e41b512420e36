"""The server side of CodeAct: policy, limits, model gateway and audit log (to come)."""
