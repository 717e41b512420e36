"""Cells that are code: valid, broken, and text of other machines pasted into the wrong cell.

Written for these tests.  A line of ``---`` separates the snippets of a table.
"""

from __future__ import annotations

_VALID = r'''
x = 1
---
df
---
help
---
hello
---
help(len)
---
import numpy as np
import pandas as pd
---
from math import sqrt, pi
---
print("How are you today, and where do you want to go?")
---
print("a", "b", sep="\n"); x = 3
---
# Plot the sales by month and show the three best ones.
---
"""This whole cell is one long string. It explains what the next cells do and why."""
---
"Plot the monthly revenue for each region."
---
'a' 'b' f'{x} is the value of x'
---
def greet(name: str) -> str:
    """Say hello to the person with this name."""
    return f"hello {name}, how are you?"
---
for name in names:
    print(name)  # one name per line, in the order of the list
---
if x is not None and y not in z or not w:
    pass
---
lambda: None
---
not found
---
sales or revenue
---
x in y
---
a is not b
---
yes if answer else no
---
del temp
---
raise Trouble from reason
---
assert total is not None, "the total must be known at this point"
---
import this
---
pass
---
return_value
---
await client.get(url)
---
async with session.get(url) as reply:
    text = await reply.text()
---
async def main():
    async for row in rows():
        yield row
await main()
---
[x async for x in rows()]
---
with open("a.txt") as f: data = f.read()
---
match command.split():
    case ["go", direction]:
        go(direction)
    case _:
        stop()
---
@cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
---
class Point: x: int; y: int
---
x: list[int] = []
---
answer: int
---
total = (first
         + second)
---
df[df["age"] > 30].groupby("city").mean()
---
plt.plot(x, y); plt.title("sales per month in the last year")
---
%matplotlib inline
---
%timeit sum(range(100))
---
%load_ext autoreload
%autoreload 2
import numpy as np
---
%%time
total = sum(range(10**6))
---
%%bash
for f in *.csv; do wc -l "$f"; done
---
%%html
<p>This is a paragraph with many plain words in it.</p>
---
%%markdown
This is plain language, but a magic says what to do with it.
---
%%writefile notes.txt
Remember to buy milk and to call the bank on Monday.
---
%%sql
select name, age from users where age > 30
---
!pip install pandas
---
!echo this is a long sentence without any punctuation
---
files = !ls *.csv
---
here = %pwd
---
df.head?
---
np.random.rand??
---
?np.*load*
---
np.*load*?
---
%timeit?
---
?print
---
help?
---
print?  # what does it do
---
>>> x = 1
>>> print(x)
---
In [1]: x = 1
---
    x = 1
    y = 2
---
数据
---
売上データ
---
数据.head()
---
数据?
---
学生 = {"张三": 90, "李四": 85}
---
print("统计每个城市的销售额，并画出柱状图。")
---
# 统计每个城市的销售额，并画出柱状图。
x = 1
---
итог = сумма + налог
---
print("Построй график выручки по месяцам")
---
größe = länge * breite
---
{"name": "Mug", "price": 12.5}
---
[1, 2, 3]
---
1 + 1
---
...
---
x = """
Plot the sales by month.
Which product sold best?
"""
---
SELECT = "select name from users where age is above thirty"
---
;
---
/time sum
---
\
x
'''

_BROKEN = r"""
print "hello world"
---
print "the total is", total
---
print total
---
print x, y
---
print "%d of %d rows are done" % (a, b)
---
for i in range(10)
    print(i)
---
for item in basket
---
while true
    x += 1
---
if x = 3:
    print("x is three")
---
if x == 3
---
else:
---
else if x > 3:
    y = 2
---
def area(r)
    return 3.14 * r ** 2
---
def my function(x):
    return x
---
def f(:
---
class Dog
    def bark(self): pass
---
print("hello world)
---
print('It's a nice day')
---
print("He said "yes" to me and to my brother")
---
print(hello world)
---
print("hello" name)
---
x = [1, 2, 3
---
x = {"a": 1, "b" 2}
---
total = (a + b
print(total)
---
y = = 3
---
x = 3 +
---
3x = 5
---
my var = 5
---
my new variable = "some text"
---
first name = input("What is your name?")
---
import numpy as np import pandas as pd
---
imort pandas as pd
---
import pandas s pd
---
form sklearn import svm
---
from sklearn.model_selection import
---
from sklearn
---
import
---
from collections impor tCounter
---
import matplotlib pyplot as plt
---
retrun x
---
df.groupby("city".mean()
---
df['a' == 3]]
---
df.head(
---
np.
---
plt.plot(x, y
plt.show()
---
f = lambda x x + 1
---
a++
---
x =+ ;
---
try:
    x = 1
---
  x = 1
 y = 2
---
def f():
return 1
---
if True:
    if False:
    print("this line is not properly indented and so it fails")
---
global = 3
---
class = "economy"
---
1st_value = 3
---
price$ = 4
---
m@ = 3
---
x = 5 y = 6
---
return = 1
---
"abc
---
print(f"{x")
---
print f"{x}"
---
exec "x = 1"
---
raise ValueError, "the value is wrong"
---
except Exception, e:
---
0777
---
print(“hello”)
---
x = ‘a’
---
x := 3
---
GEMINI_KEY = <your key goes here>
---
trainer = Trainer(model, ..., lr=)
---
model.fit(X_train, y_train, epochs = 10 batch_size = 32)
---
x.append(3
for i in x:
    print(i)
---
Load the libraries
import numpy as np
import pandas as pd
df = pd.read_csv("a.csv")
---
now we compute the mean
mean = df["a"].mean()
print(mean)
---
text = Only the words in this sentence matter and nothing else
---
name = Mary Ann Smith
---
list = [apple pear plum]
---
print（"你好"）
---
print（你好，世界）
---
如果 = 3 +
---
x = input（"你的名字是什么"）
---
学生 = [“张三”， “李四”]
---
print(今天的天气非常好我们去公园
---
print(Привет мир)
---
имя = Иван Петров
---
für i in range(10):
    print(i)
---
x = 3;;
---
df = df[df.a > 3]]
---
if (x > 3) {
    y = 2;
}
---
async def f()
    await g()
---
with open("a.txt") as f
    data = f.read()
---
%timeit sum(x for x in
---
%%timeit
---
!
---
%
---
?
---
\
---
"""

_PASTED = r"""
Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
ValueError: could not convert string to float: 'abc'
---
NameError: name 'df' is not defined
---
KeyError                                  Traceback (most recent call last)
Cell In[3], line 1
----> 1 df["price"]
---
/usr/lib/python3/site.py:12: FutureWarning: The default value of this argument will change
---
2024-09-14 06:00:05,951 INFO the gateway has started and waits for work
---
pip install pandas
---
pip install numpy scipy pandas matplotlib scikit-learn
---
python -m pip install --upgrade pip setuptools wheel
---
conda install -c conda-forge xgboost
---
git clone https://example.org/tools.git
---
ls -la data
---
cd my project folder
---
cat notes.txt
---
mkdir new folder
---
echo this goes to the screen
---
$ ls -l
---
sudo apt-get install graphviz
---
jupyter nbconvert --to html report.ipynb
---
ipython nbconvert --to python *.ipynb
---
docker run -it --rm image bash
---
export PATH=$PATH:/opt/bin
---
kill 20852
---
timeit sum(range(10))
---
SELECT name, age FROM users WHERE age > 30;
---
DROP TABLE IF EXISTS orders;
---
CREATE TABLE orders (
    id INT PRIMARY KEY NOT NULL,
    customer VARCHAR(40)
);
---
INSERT INTO users VALUES ('Ann', 30);
---
{"name": "Mug", "price": 12.5, "tags": ["a", "b"],
---
{
  "cells": [],
  "ready": true
}
---
[{"a": 1}, {"a": null}]
---
library(ggplot2)
df <- read.csv("a.csv")
summary(df)
---
add <- function(a, b) {
  a + b
}
---
df$price[1:10]
---
const total = items.reduce((a, b) => a + b, 0);
---
#include <stdio.h>
int main(void) { return 0; }
---
<div class="note"><p>Some words in a paragraph.</p></div>
---
<?php echo "hello"; ?>
---
public static void main(String[] args) {
    System.out.println("Hello");
}
---
$-b \pm \sqrt{b^2 - 4ac}$
---
| name | price |
|------|-------|
| Mug  | 12.50 |
---
```python
print("this should have been a markdown cell")
```
---
   name  age
0   Bob   23
1   Ann   31
---
Requirement already satisfied: numpy in ./lib/python3.11/site-packages (2.0)
---
Collecting pandas
---
Successfully installed numpy-2.0 pandas-2.2
---
GenerationConfig {
  "bos_token_id": 1
}
---
name,price,quantity
Mug,12.5,4
---
https://example.org/data.csv
---
C:\Users\me\data.csv
---
key = value
[section]
other = 3
---
# A heading
Some words below the heading.
---
**Bold heading**

Some words below the heading.
---
>>> print "hello world"
---
... and so on
"""


def _snippets(table: str) -> list[str]:
    return [snippet for snippet in table[1:].rstrip("\n").split("\n---\n") if snippet.strip()]


VALID = _snippets(_VALID)
BROKEN = _snippets(_BROKEN.removesuffix("---\n"))
PASTED = _snippets(_PASTED)
