"""Counts words: with Spark on the cluster, with plain Python where there is none."""

import argparse
import pathlib
import re
from collections import Counter

parser = argparse.ArgumentParser()
parser.add_argument("--date", required=True, help="the partition: YYYY-MM-DD")
day = parser.parse_args().date

poem = pathlib.Path(__file__).with_name("poem.txt").read_text(encoding="utf-8")
words = re.findall(r"[a-z']+", poem.lower())

try:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("hello").getOrCreate()
    counts = Counter(spark.sparkContext.parallelize(words).countByValue())
    spark.stop()
except ImportError:
    counts = Counter(words)

print(f"{day}: {len(words)} words, {len(counts)} different")
for word, times in counts.most_common(5):
    print(f"  {word:<10} {times}")
