"""Write the demo's notebook and the recording of the model's replies to its prompts.

The recording holds words and code, no results: those come from running the
code.  So no sentence of it states a number or a name that the data decides.

Run it from the checkout: ``python scripts/make_demo.py [FOLDER]``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DEMO = Path(__file__).parent.parent / "codeact_kernel" / "demo"

INTRODUCTION = """\
# A year of sales, asked and answered

The cells below are plain language and Python, mixed. A cell in plain language is a *prompt*: a model
writes Python for it, one step at a time, each step runs in the sandbox, and what it printed or raised
goes back to the model until it can answer.

**The model's words here are a recording; its code is really executed.** Change `sales.csv` beside this
notebook, run it again, and the results change with it. To ask your own questions, connect a model:
`codeact config --help`."""

FIRST_PROMPT = """\
Which region brought in the most revenue in sales.csv, and how did the year go?
Show a table by region and a chart by month."""

USER_CODE = """\
# Your own Python works on the same variables: `monthly` was made by the steps above.
focus = monthly.sum().idxmax()
monthly[focus].astype(int).tail(6)"""

SECOND_PROMPT = """\
Take the region in `focus`: which products gained and which lost in the second half of the year?"""

FIRST_REPLIES = [
    """\
I'll read the file and add up revenue as units times price.

```python
import pandas as pd

sales = pd.read_csv("sales.csv", parse_dates=["order_date"], keep_default_na=False)
print(sales.head().to_string())

revenue = {}
for region, units, price in zip(sales["region"], sales["units"], sales["unit_price"]):
    revenue[region] = revenue.get(region, 0.0) + units * float(price)
revenue
```""",
    """\
The price column holds text that is no plain number. I'll look at what is in there before I convert it.

```python
as_number = pd.to_numeric(sales["unit_price"], errors="coerce")
odd = sales.loc[as_number.isna(), "unit_price"]
print(f"{len(odd)} of {len(sales)} prices are not plain numbers, for example:")
print(odd.drop_duplicates().head(6).to_string(index=False))
```""",
    """\
Thousands separators can be removed; a price that is missing cannot be guessed, so I leave those rows out and say how many.

```python
import matplotlib.pyplot as plt

sales["price"] = pd.to_numeric(sales["unit_price"].astype(str).str.replace(",", ""), errors="coerce")
priced = sales.dropna(subset=["price"]).copy()
priced["revenue"] = priced["units"] * priced["price"]
print(f"{len(sales) - len(priced)} orders without a price are left out of {len(sales)}.")

by_region = priced.groupby("region")["revenue"].agg(["sum", "count"])
by_region = by_region.set_axis(["revenue", "orders"], axis=1).sort_values("revenue", ascending=False)
by_region["share"] = by_region["revenue"] / by_region["revenue"].sum()
print(f"Most revenue: {by_region.index[0]}, {by_region['share'].iloc[0]:.0%} of the total.")

month = priced["order_date"].dt.to_period("M").rename("month")
monthly = priced.groupby([month, "region"])["revenue"].sum().unstack(fill_value=0)
thousands = monthly[by_region.index] / 1000
axes = thousands.plot(kind="bar", stacked=True, figsize=(8, 3.6), width=0.8)
axes.set(xlabel="", ylabel="revenue, thousands", title="Revenue by month and region")
axes.legend(title="", ncols=4, frameon=False, loc="upper left")
axes.set_ylim(0, thousands.sum(axis=1).max() * 1.2)
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()
plt.show()
by_region.astype({"revenue": int}).round({"share": 3})
```""",
    """\
The table ranks the regions by revenue, and the chart shows each month with the regions stacked; the leader and its share are printed above the chart.

Two things about the data:

- Prices above a thousand were written with a comma. I read them as numbers.
- Orders whose price is missing are **left out**, not counted as zero; their number is printed too.

The cleaned orders are in `priced`, revenue by month and region in `monthly`.""",
]

SECOND_REPLIES = [
    """\
I'll compare the two halves of the year, product by product, for that region.

```python
mine = priced[priced["region"] == focus]
half = mine["order_date"].dt.month.gt(6).map({False: "first half", True: "second half"})
change = mine.groupby(["product", half])["revenue"].sum().unstack()
change = change.reindex(columns=["first half", "second half"]).fillna(0).rename_axis(columns=None)
change["change"] = change["second half"] - change["first half"]
change = change.sort_values("change", ascending=False).astype(int)
change.to_csv("second_half.csv")

print(f"{focus}: gained most {change.index[0]}, lost most {change.index[-1]}.")
bars = change["change"][::-1] / 1000
colours = ["#2a7f62" if value >= 0 else "#c0562f" for value in bars]
axes = bars.plot(kind="barh", figsize=(8, 2.8), color=colours)
axes.axvline(0, color="black", linewidth=0.8)
axes.set(xlabel="change in revenue, thousands", ylabel="", title=f"{focus}: second half against first half")
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()
plt.show()
change
```""",
    """\
The chart shows, for the region in `focus`, how much each product's revenue changed from the first half of the year to the second; green gained, red lost. The biggest gain and the biggest loss are named above it, and the figures are in `second_half.csv`.

These are sums of orders, and a few large orders can decide a product's figure: look at `mine` before you act on it.""",
]


def notebook() -> nbformat.NotebookNode:
    """The notebook as a person would have typed it."""
    prompt = {"codeact": {"v": 1, "kind": "prompt"}}
    cells = [
        new_markdown_cell(INTRODUCTION, id="introduction"),
        new_code_cell(FIRST_PROMPT, id="first-prompt", metadata=prompt),
        new_code_cell(USER_CODE, id="own-code"),
        new_code_cell(SECOND_PROMPT, id="second-prompt", metadata=prompt),
    ]
    kernelspec = {"name": "codeact", "display_name": "CodeAct (Python)", "language": "python"}
    typed: nbformat.NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
    return typed


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
    recording = {
        "v": 1,
        "model": "demo",
        "turns": [
            {"prompt": FIRST_PROMPT, "replies": FIRST_REPLIES},
            {"prompt": SECOND_PROMPT, "replies": SECOND_REPLIES},
        ],
    }
    (folder / "cassette.json").write_text(json.dumps(recording, indent=1) + "\n", encoding="utf-8")
    nbformat.write(notebook(), folder / "sales.ipynb")


if __name__ == "__main__":
    main()
