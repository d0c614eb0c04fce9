// Fetch all rows, convert them to one CSV string, and upload it, as the article does.
import { createInterface } from "node:readline";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Parser } from "@json2csv/plainjs";
import pg from "pg";

const fetchReport = async (url, sql) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
};

const transformToCsv = (rows, questions) => {
  const flat = rows.map(({ answers, ...row }) => {
    for (const key of questions) row[key] = answers[key];
    return row;
  });
  return new Parser().parse(flat);
};

const upload = (s3, target, csv) => s3.send(new PutObjectCommand({ ...target, Body: csv }));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const parameters = JSON.parse((await lines.next()).value);
const s3 = new S3Client({ forcePathStyle: true });
console.log("ready");
await lines.next();
const rows = await fetchReport(parameters.database_url, parameters.sql);
const csv = transformToCsv(rows, parameters.questions);
await upload(s3, { Bucket: parameters.bucket, Key: parameters.key }, csv);
console.log("done");
await lines.next();
