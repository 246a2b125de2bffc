import { inflateRawSync } from "node:zlib";
import type { Json } from "../base/json.ts";
import type { StoreDatabase } from "../base/sqlite-database.ts";
import type { StageEvidence } from "./tracking.ts";

interface StoredEvidenceQuery {
  readonly stage: string;
  readonly since: number;
  readonly before: number | null;
  readonly limit: number;
}

export interface StoredEvidence {
  readonly found: readonly StageEvidence[];
  readonly before: number | null;
}

/** `before`: the sequence number of the first that this bite leaves out; null when it is the last. */
export function stageEvidence(
  db: StoreDatabase,
  { stage, since, before, limit }: StoredEvidenceQuery,
): StoredEvidence {
  const rows = db
    .prepare(
      `SELECT seq, at, record FROM transactions JOIN records USING (seq)
       WHERE at >= ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
    )
    .all(since, before ?? Number.MAX_SAFE_INTEGER, limit);
  const found = rows.flatMap(({ at, record }) => {
    if (!(record instanceof Uint8Array)) return [];
    const { reports = [] } = JSON.parse(inflateRawSync(record).toString("utf8")) as {
      readonly reports?: readonly { readonly stage: string; readonly evidence: Json }[];
    };
    const own = reports.filter((report) => report.stage === stage && report.evidence !== null);
    return own.map(({ evidence }) => ({ at: Number(at), evidence }));
  });
  const last = rows.at(-1);
  return { found, before: last && rows.length === limit ? Number(last.seq) : null };
}
