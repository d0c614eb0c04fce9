// Compiled by test_typescript_client.py, which generates schema.d.ts with openapi-typescript.
import type { components, operations, paths } from "./schema";

type Schemas = components["schemas"];
type Answer<Operation extends keyof operations, Status> = operations[Operation] extends {
  responses: infer Responses;
}
  ? Status extends keyof Responses
    ? Responses[Status] extends { content: { "application/json": infer Body } }
      ? Body
      : never
    : never
  : never;

// Fields with a default are optional.
const article: Schemas["ExportRequest"] = {
  surveyId: "668b6fa3b8d693cd865b44bb",
  from: "2024-7-19",
  to: "2024-7-26",
  filters: { isAttended: true, utm: ["wa", null] },
};
const options: Schemas["ExportRequest"] = {
  report: "orders",
  from: "2024-07-01",
  to: "2024-07-31",
  csv: { preset: "excel", delimiter: ";" },
  columns: null,
};
const schedule: Schemas["NewSchedule"] = {
  name: "Weekly",
  recurrence: { cron: "0 9 * * MON" },
  range: { kind: "relative", preset: "previous-week" },
  export: { surveyId: "668b6fa3b8d693cd865b44bb" },
};
const paused: Schemas["ScheduleChange"] = { enabled: false };
const query: paths["/reports"]["get"]["parameters"]["query"] = { report: "orders", status: ["paid"] };
const path: paths["/exports/{id}"]["get"]["parameters"]["path"] = { id: "899e1228-d7b8-40fc-8490-70e6f1efb338" };

// Each response status of an operation has one type.
const describe = (started: Answer<"startExport", 202> | Answer<"startExport", 200>): string =>
  `${started.id}: ${started.progress} %`;
const rows = (preview: Answer<"previewExport", 200>): number => preview.rows;
const link = ({ data }: Answer<"pollCsv", 200>): string =>
  data.status === "done" ? data.url : data.status === "error" ? data.error : `${data.progress} %`;
const mistakes = (problem: Schemas["Problem"]): string[] => problem.errors.map((each) => each.pointer);

// @ts-expect-error: unknown field
const unknown: Schemas["ExportRequest"] = { ...article, colour: "red" };
// @ts-expect-error: the recurrence is missing
const incomplete: Schemas["NewSchedule"] = { name: "Weekly", export: { report: "orders" } };

export { article, describe, incomplete, link, mistakes, options, path, paused, query, rows, schedule, unknown };
