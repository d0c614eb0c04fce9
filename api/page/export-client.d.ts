export type ExportStatus =
  | "queued"
  | "running"
  | "finalizing"
  | "done"
  | "expired"
  | "error"
  | "cancelled";

/** The body of `POST /exports`: a report's own ids stand beside these. */
export interface ExportRequest {
  report?: string;
  from?: string;
  to?: string;
  filters?: Record<string, unknown>;
  columns?: string[];
  sort?: string;
  timeZone?: string;
  csv?: string | Record<string, unknown>;
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
  /** Whether the same request may succeed in a moment: no answer, 429, 5xx. */
  readonly passing: boolean;
}

export interface Following {
  onState?: (state: ExportState) => void;
  /** Called at each failed try, with its number; the next `onState` means that it is over. */
  onReconnecting?: (failures: number) => void;
  /** Stops the polling, not the export. */
  signal?: AbortSignal;
}

export interface ExportClient {
  start(request: ExportRequest): Promise<ExportState>;
  follow(id: string, following?: Following): Promise<ExportState>;
  cancel(id: string): Promise<ExportState>;
  retry(id: string): Promise<ExportState>;
  remove(id: string): Promise<void>;
  downloadUrl(id: string): string;
  ask(
    method: string,
    path: string,
    options?: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<{ state: any; retryAfter: number }>;
}

export function isFinal(state: Pick<ExportState, "status">): boolean;

export function exportClient(options?: { base?: string; fetch?: typeof fetch }): ExportClient;
