export type ExportStatus =
  | "queued"
  | "running"
  | "finalizing"
  | "done"
  | "expired"
  | "error"
  | "cancelled";

/** Body of `POST /exports`. The ids of the report's scopes are additional properties. */
export interface ExportRequest {
  report?: string;
  from?: string;
  to?: string;
  filters?: Record<string, unknown>;
  columns?: string[];
  sort?: string;
  timeZone?: string;
  format?: "csv" | "xlsx" | "parquet" | "jsonl";
  csv?: string | Record<string, unknown>;
  answers?: { multiple?: "joined" | "columns" | "both"; values?: "labels" | "codes" };
  codebook?: boolean;
  name?: string;
  [scope: string]: unknown;
}

export interface ExportFile {
  name: string;
  rows: number;
  bytes: number;
  sha256: string;
  url: string;
  urlExpiresAt: string;
  expiresAt: string;
}

export interface ExportState {
  id: string;
  report: string;
  name: string | null;
  status: ExportStatus;
  phase: "waiting" | "counting" | "exporting" | "verifying" | "cancelling" | null;
  progress: number;
  rows: { expected: number | null; written: number };
  queue: { position: number };
  etaSeconds: number | null;
  heartbeatAt: string | null;
  snapshotAt: string | null;
  timeZone: string;
  request: ExportRequest;
  attempt: number;
  file: ExportFile | null;
  error: { code: string; retryable: boolean; message: string } | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  scheduleId: string | null;
  retryOf: string | null;
  links: Record<"self" | "cancel" | "retry" | "download" | "manifest", string | null>;
}

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  errors?: { pointer: string; code: string; detail: string }[];
}

export class ExportProblem extends Error {
  readonly status: number;
  readonly problem: Problem;
  /** True for temporary failures, which are a missing response and the statuses 429 and 5xx. */
  readonly passing: boolean;
}

export interface Following {
  onState?: (state: ExportState) => void;
  /** Called after each failed request with the number of failures since the last successful one. */
  onReconnecting?: (failures: number) => void;
  /** Stops polling without cancelling the export. */
  signal?: AbortSignal;
}

export interface ExportClient {
  start(request: ExportRequest): Promise<ExportState>;
  follow(id: string, following?: Following): Promise<ExportState>;
  cancel(id: string): Promise<ExportState>;
  retry(id: string): Promise<ExportState>;
  remove(id: string): Promise<void>;
  /** URL that redirects to the file. It can be used as a link if the API does not require a key. */
  downloadUrl(id: string): string;
  /** Returns a signed link to the file, or null if there is no file. The link needs no key. */
  signedUrl(id: string): Promise<string | null>;
  /** Downloads the file through a signed link. Use it if the API requires a key, which a plain link cannot send. */
  download(id: string): Promise<void>;
  ask(
    method: string,
    path: string,
    options?: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<{ state: any; retryAfter: number }>;
}

export function isFinal(state: Pick<ExportState, "status">): boolean;

export interface ClientOptions {
  /** Path or URL of the API, without a trailing slash. */
  base?: string;
  /** Returns headers for every request, such as `() => ({ Authorization: "Bearer …" })`. */
  headers?: () => Record<string, string>;
  /** Replacement for `JSON.parse`. */
  parse?: (text: string) => any;
  fetch?: typeof fetch;
}

export function exportClient(options?: ClientOptions): ExportClient;
