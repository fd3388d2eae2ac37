"""Builds one partition, whole: what was there before is overwritten, so a second run makes the same."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--date", required=True, help="the partition: YYYY-MM-DD")
parser.add_argument("--country", required=True)
parser.add_argument("--from", dest="source", required=True)
parser.add_argument("--to", dest="target", required=True)
arguments = parser.parse_args()

print(f"{arguments.date}: {arguments.source} -> {arguments.target}")

# With data there:
#
#   from pyspark.sql import SparkSession
#   spark = SparkSession.builder.getOrCreate()
#   rows = spark.read.json(arguments.source).where(f"country = '{arguments.country}'")
#   rows.write.mode("overwrite").parquet(arguments.target)
