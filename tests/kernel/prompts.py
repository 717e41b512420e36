"""What people type when they want something done, in the seven languages the classifier promises.

Written for these tests: questions and requests, with and without punctuation and
capitals, with names of columns and files, with quotes, numbers and bits of code.
One prompt a line; ``⏎`` stands for a line break inside of one.
"""

from __future__ import annotations

_ENGLISH = """\
Plot the monthly revenue for each region as a stacked bar chart.
which product sold best last year
How many rows have a missing value in the price column?
show me the first ten rows
Load sales.csv and tell me what is in it
What is the average of df['score'] grouped by team?
Why does my loop never end?
Train a random forest on the iris data and report the accuracy.
Is there a correlation between age and income?
draw a histogram of the residuals, please
Convert the dates to ISO format and sort by them.
Compare the two groups with a t-test and explain the result in one sentence.
Remove duplicates from `customers` but keep the newest entry of each
can you make the labels bigger
Summarize sales
Plot revenue
Explain this.
Try again, but with a log scale
no, use the median instead
Thanks, now write the table to results.xlsx
For each country show the largest city and its population
If a value is above 100 replace it with 100
Import the file data/orders.json and count the orders per customer
With the cleaned data, fit a linear model
From the last table, drop everything before 2020
Print the five longest words in the text
Return the ten most frequent error messages in app.log
While you are at it, rename the columns to lower case.
Find the value of x for which f(x) = 0
What does np.nan mean?
Which country has the highest score?
Who bought more than 3 items and paid less than $20?
Simulate 10,000 rolls of two dice, seed 42, and plot the distribution of the sum.
Estimate the expected number of steps with a 95% confidence interval
Merge orders and customers on customer_id (left join), then count the unmatched rows.
The chart is too small. Make it twice as wide and put the legend outside.
I have a list of temperatures: 21, 19, 25, 30. What's the standard deviation?
Don't use pandas, only the standard library
Please explain the difference between "inner" and "outer" joins
what's wrong with this code?⏎⏎def mean(values):⏎    return sum(values) / len(value)
Clean the data in three steps:⏎1. drop the empty columns⏎2. fill the gaps with zero⏎3. normalize the rest
Here are our orders:⏎- Mug, 12.50, 4⏎- Poster, 20.00, 3⏎⏎What is the total?
"""

_GERMAN = """\
Zeichne den monatlichen Umsatz je Region als gestapeltes Balkendiagramm.
welches Produkt hat sich letztes Jahr am besten verkauft
Wie viele Zeilen haben keinen Wert in der Spalte Preis?
zeig mir die ersten zehn Zeilen
Lade verkauf.csv und sag mir, was darin steht
Wie hoch ist der Durchschnitt von df['note'] pro Klasse?
Warum hört meine Schleife nie auf?
Trainiere einen Random Forest auf den Iris-Daten und nenne die Genauigkeit.
Gibt es einen Zusammenhang zwischen Alter und Einkommen?
bitte ein Histogramm der Residuen
Wandle die Datumsangaben in ISO-Format um und sortiere danach.
Vergleiche die beiden Gruppen mit einem t-Test.
Entferne doppelte Einträge aus `kunden`, aber behalte den neuesten
kannst du die Beschriftung größer machen
Beschreibe df
Zeige Umsatz
Nochmal, aber mit logarithmischer Achse
nein, nimm lieber den Median
Danke, jetzt schreib die Tabelle nach ergebnis.xlsx
Für jedes Land die größte Stadt und ihre Einwohnerzahl anzeigen
Wenn ein Wert über 100 liegt, setze ihn auf 100
Lies data/orders.json ein und zähle die Bestellungen pro Kunde
Welche drei Filialen hatten im März den größten Rückgang?
Berechne den Anteil der Stornierungen in Prozent.
Gib die fünf längsten Wörter im Text aus
In welchem Jahr gab es die meisten Unfälle?
Fasse die Ergebnisse in zwei Sätzen zusammen.
Was bedeutet np.nan?
Wer hat mehr als 3 Artikel gekauft und weniger als 20 € bezahlt?
Simuliere 10.000 Würfe mit zwei Würfeln und zeichne die Verteilung der Summe.
Schätze den Erwartungswert mit einem 95-%-Konfidenzintervall
Verbinde orders und customers über customer_id und zähle die übrigen Zeilen.
Das Diagramm ist zu klein. Mach es doppelt so breit.
Ich habe die Temperaturen 21, 19, 25 und 30. Wie groß ist die Standardabweichung?
Ohne pandas, nur mit der Standardbibliothek
Erkläre den Unterschied zwischen "inner" und "outer" Join
Stimmt das so?
Und im Vorjahr?
Finde alle Primzahlen unter 1000
Bitte die Spalte `plz` als Text behandeln
Was ist an diesem Code falsch?⏎⏎def mittel(werte):⏎    return sum(werte) / len(wert)
Bereinige die Daten:⏎- leere Spalten weg⏎- Lücken mit null füllen
"""

_FRENCH = """\
Trace le chiffre d'affaires mensuel par région en barres empilées.
quel produit s'est le mieux vendu l'an dernier
Combien de lignes n'ont pas de valeur dans la colonne prix ?
montre-moi les dix premières lignes
Charge ventes.csv et dis-moi ce qu'il contient
Quelle est la moyenne de df['note'] par équipe ?
Pourquoi ma boucle ne s'arrête-t-elle jamais ?
Entraîne une forêt aléatoire sur les données iris et donne la précision.
Y a-t-il un lien entre l'âge et le revenu ?
un histogramme des résidus, s'il te plaît
Convertis les dates au format ISO et trie par date.
Compare les deux groupes avec un test t et explique le résultat.
Supprime les doublons de `clients` en gardant le plus récent
peux-tu agrandir les étiquettes
Décris df
Résume ventes
Encore une fois, mais avec une échelle logarithmique
non, utilise plutôt la médiane
Merci, écris maintenant le tableau dans resultats.xlsx
Pour chaque pays, affiche la plus grande ville et sa population
Si une valeur dépasse 100, remplace-la par 100
Lis data/orders.json et compte les commandes par client
Quels sont les trois magasins dont les ventes ont le plus baissé en mars ?
Calcule la part des annulations en pourcentage.
Affiche les cinq mots les plus longs du texte
En quelle année y a-t-il eu le plus d'accidents ?
Résume les résultats en deux phrases.
Que signifie np.nan ?
C'est quoi un quantile ?
Qui a acheté plus de 3 articles et payé moins de 20 € ?
Simule 10 000 lancers de deux dés et trace la distribution de la somme.
Estime l'espérance avec un intervalle de confiance à 95 %
Joins orders et customers sur customer_id puis compte les lignes restantes.
Le graphique est trop petit. Double sa largeur.
J'ai les températures 21, 19, 25 et 30. Quel est l'écart type ?
Sans pandas, seulement la bibliothèque standard
Explique la différence entre une jointure "inner" et "outer"
Et l'année précédente ?
Trouve tous les nombres premiers inférieurs à 1000
Traite la colonne `code_postal` comme du texte
Qu'est-ce qui ne va pas dans ce code ?⏎⏎def moyenne(valeurs):⏎    return sum(valeurs) / len(valeur)
Nettoie les données :⏎- supprime les colonnes vides⏎- remplis les trous par zéro
"""

_SPANISH = """\
Dibuja los ingresos mensuales por región en barras apiladas.
qué producto se vendió mejor el año pasado
¿Cuántas filas no tienen valor en la columna precio?
muéstrame las diez primeras filas
Carga ventas.csv y dime qué contiene
¿Cuál es la media de df['nota'] por equipo?
¿Por qué mi bucle no termina nunca?
Entrena un bosque aleatorio con los datos iris y dame la exactitud.
¿Hay relación entre la edad y el ingreso?
un histograma de los residuos, por favor
Convierte las fechas al formato ISO y ordena por ellas.
Compara los dos grupos con una prueba t y explica el resultado.
Quita los duplicados de `clientes` y deja el más reciente
puedes agrandar las etiquetas
Describe df
Grafica ventas
Otra vez, pero con escala logarítmica
no, mejor usa la mediana
Gracias, ahora escribe la tabla en resultados.xlsx
Para cada país muestra la ciudad más grande y su población
Si un valor pasa de 100, cámbialo por 100
Lee data/orders.json y cuenta los pedidos por cliente
¿Qué tres tiendas cayeron más en marzo?
Calcula el porcentaje de cancelaciones.
Imprime las cinco palabras más largas del texto
¿En qué año hubo más accidentes?
Resume los resultados en dos frases.
¿Qué significa np.nan?
¿Quién compró más de 3 artículos y pagó menos de 20 €?
Simula 10.000 tiradas de dos dados y dibuja la distribución de la suma.
Estima la esperanza con un intervalo de confianza del 95 %
Une orders y customers por customer_id y cuenta las filas que sobran.
El gráfico es muy pequeño. Hazlo el doble de ancho.
Tengo las temperaturas 21, 19, 25 y 30. ¿Cuál es la desviación típica?
Sin pandas, solo la biblioteca estándar
Explica la diferencia entre un join "inner" y uno "outer"
¿Y el año anterior?
Encuentra todos los números primos menores que 1000
Trata la columna `codigo_postal` como texto
cómo paso una lista de cadenas a enteros
¿Qué tiene de malo este código?⏎⏎def media(valores):⏎    return sum(valores) / len(valor)
Limpia los datos:⏎- quita las columnas vacías⏎- rellena los huecos con cero
"""

_RUSSIAN = """\
Построй месячную выручку по регионам в виде столбчатой диаграммы.
какой товар лучше всего продавался в прошлом году
Сколько строк без значения в столбце цена?
покажи первые десять строк
Загрузи sales.csv и скажи, что в нём
Чему равно среднее df['score'] по командам?
Почему мой цикл никогда не заканчивается?
Обучи случайный лес на данных iris и выведи точность.
Есть ли связь между возрастом и доходом?
гистограмму остатков, пожалуйста
Переведи даты в формат ISO и отсортируй по ним.
Сравни две группы по критерию Стьюдента.
Удали дубликаты из `customers`, оставь самый новый
можешь сделать подписи крупнее
Опиши данные
Покажи выручку
Ещё раз, но в логарифмическом масштабе
нет, лучше возьми медиану
Спасибо, теперь запиши таблицу в results.xlsx
Для каждой страны покажи крупнейший город и его население
Если значение больше 100, замени его на 100
Прочитай data/orders.json и посчитай заказы по клиентам
Какие три магазина сильнее всего просели в марте?
Вычисли долю отмен в процентах.
Выведи пять самых длинных слов в тексте
В каком году было больше всего аварий?
Подведи итог в двух предложениях.
Что такое np.nan?
Кто купил больше 3 товаров и заплатил меньше 20 евро?
Смоделируй 10000 бросков двух костей и нарисуй распределение суммы.
Оцени математическое ожидание с доверительным интервалом 95 %
Соедини orders и customers по customer_id и посчитай оставшиеся строки.
График слишком маленький. Сделай его вдвое шире.
Есть температуры 21, 19, 25 и 30. Какое стандартное отклонение?
Без pandas, только стандартная библиотека
Объясни разницу между "inner" и "outer" соединением
А годом раньше?
Найди все простые числа меньше 1000
Считай столбец `zip_code` текстом
как преобразовать список строк в числа
Что не так с этим кодом?⏎⏎def mean(values):⏎    return sum(values) / len(value)
Очисти данные:⏎- удали пустые столбцы⏎- заполни пропуски нулями
"""

_CHINESE = """\
画出每个地区每月收入的堆叠柱状图。
去年哪个产品卖得最好
价格这一列有多少行是空的？
显示前十行
读取 sales.csv 并告诉我里面有什么
每个队的 df['score'] 平均值是多少？
为什么我的循环停不下来？
用鸢尾花数据训练一个随机森林，并报告准确率。
年龄和收入有关系吗?
请画残差的直方图
把日期转换成ISO格式，然后按日期排序。
用t检验比较这两组，并用一句话解释结果。
删除 `customers` 里的重复项，只保留最新的
能不能把标签放大一点
统计每个城市的销售额
再试一次，用对数坐标
不对，用中位数
谢谢，现在把表格写到 results.xlsx
对每个国家列出最大的城市和人口
如果数值大于100就改成100
读入data/orders.json,统计每个客户的订单数
三月份哪三家店下降最多
计算取消订单的百分比
打印文本里最长的五个单词
哪一年事故最多？
用两句话总结结果。
np.nan是什么意思
谁买了3件以上并且付款少于20元？
模拟掷两个骰子10000次，画出点数之和的分布。
估计期望值和95%置信区间
按customer_id连接orders和customers，数一数没匹配上的行。
图太小了，宽度加倍。
温度是21、19、25、30，标准差是多少？
不要用pandas，只用标准库
解释一下"inner"和"outer"连接的区别
前一年呢？
找出1000以内的所有素数
`zip_code`这一列按文本处理
Python怎么把字符串列表变成整数列表
查询营业额大于5000,利润率多少的门店
这段代码有什么问题？⏎⏎def mean(values):⏎    return sum(values) / len(value)
清洗数据：⏎- 删除空列⏎- 缺失值填零
"""

_JAPANESE = """\
地域ごとの月間売上を積み上げ棒グラフで描いてください。
去年一番売れた商品は何
価格の列が空の行はいくつありますか？
最初の10行を表示して
sales.csv を読み込んで中身を教えて
チームごとの df['score'] の平均はいくつですか?
なぜこのループは終わらないのですか
irisデータでランダムフォレストを学習し、正解率を報告してください。
年齢と収入に関係はありますか？
残差のヒストグラムをお願いします
日付をISO形式に変換して並べ替えて
二つのグループをt検定で比べてください。
`customers` の重複を消して、新しいものだけ残して
ラベルをもっと大きくできますか
都市ごとの売上を集計する
もう一度、対数目盛でお願い
いや、中央値を使って
ありがとう。表をresults.xlsxに書き出して
国ごとに最大の都市とその人口を表示せよ
値が100を超えたら100に置き換える
data/orders.jsonを読んで顧客ごとの注文数を数えて
3月に一番落ち込んだ店舗はどこ
キャンセルの割合を計算してください。
文章の中で長い単語を五つ出力
事故が最も多かったのは何年？
結果を二文でまとめて。
np.nanとは何ですか
3点以上買って支払いが20ユーロ未満の人は誰？
サイコロ二つを10000回振るシミュレーションをして、和の分布を描いて。
期待値と95%信頼区間を推定する
ordersとcustomersをcustomer_idで結合し、余った行を数えて。
グラフが小さすぎます。幅を倍にして。
気温は21、19、25、30です。標準偏差は？
pandasを使わず標準ライブラリだけで
"inner"と"outer"の結合の違いを説明して
前の年は？
1000未満の素数をすべて求めたい
`zip_code` の列は文字列として扱う
pandas.DataFrameの列を削除する方法
print()で改行しないで出力したい
printの使い方
文字列のリストを整数のリストに変換するには
リスト[1, 2, 3]から奇数を取り出す
このコードのどこが間違っていますか？⏎⏎def mean(values):⏎    return sum(values) / len(value)
データをきれいにして：⏎- 空の列を消す⏎- 欠損値はゼロで埋める
"""


PROMPTS: dict[str, list[str]] = {
    language: [line.replace("⏎", "\n") for line in table.splitlines()]
    for language, table in {
        "English": _ENGLISH,
        "German": _GERMAN,
        "French": _FRENCH,
        "Spanish": _SPANISH,
        "Russian": _RUSSIAN,
        "Chinese": _CHINESE,
        "Japanese": _JAPANESE,
    }.items()
}
