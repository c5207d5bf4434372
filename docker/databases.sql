-- Run once, when the PostgreSQL volume is empty; the catalogue's own database
-- (astrid) is made by the image.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
