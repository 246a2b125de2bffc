import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { StoreDatabase } from "../base/sqlite-database.ts";
import type { StoreModule } from "../base/sqlite-thread.ts";
import {
  countDmarcResult,
  DMARC_RESULTS,
  dmarcDay,
  dmarcDomains,
  expireDmarc,
  noteDmarcReport,
  type StoredDmarcResult,
} from "./dmarc-results-store.ts";
import { HAS_IP } from "./searched-ips.ts";
import { stageEvidence } from "./stored-evidence.ts";

/**
 * The operations of the tracking file, run in its threads. `transactions` is narrow, so that a
 * search for a part of an address reads a million rows in well under a second; what is shown and the
 * evidence lie beside it. Texts for searching are in lower case.
 */
const SCHEMA = `
CREATE TABLE transactions (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  ip TEXT NOT NULL,
  senders TEXT NOT NULL,
  recipients TEXT NOT NULL,
  subject TEXT NOT NULL
);
CREATE INDEX transactions_at ON transactions (at);
CREATE INDEX transactions_ip ON transactions (ip, at);
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  row TEXT NOT NULL,
  record BLOB NOT NULL
);
CREATE TABLE facts (
  seq INTEGER PRIMARY KEY,
  id TEXT,
  at INTEGER NOT NULL,
  fact TEXT NOT NULL
);
CREATE INDEX facts_id ON facts (id);
CREATE INDEX facts_at ON facts (at);
`;

/**
 * Sessions in TLS with others, counted (RFC 8460): `session` is the JSON of all that such sessions
 * have in common. `day` is a date in UTC.
 */
const TLS_SESSIONS = `
CREATE TABLE tls_sessions (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  session TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (day, domain, session)
) WITHOUT ROWID;
CREATE TABLE tls_reports (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  PRIMARY KEY (day, domain)
) WITHOUT ROWID;
`;

/** A fact on its way into the file. Texts are JSON. */
export type StoredFact =
  | StoredDmarcResult
  | {
      readonly kind: "tls-session";
      readonly at: number;
      readonly day: string;
      readonly domain: string;
      readonly session: string;
    }
  | {
      readonly kind: "fact";
      readonly id: string | null;
      readonly at: number;
      readonly fact: string;
    }
  | {
      readonly kind: "decided";
      readonly id: string;
      readonly at: number;
      readonly ip: string;
      readonly senders: string;
      readonly recipients: string;
      readonly subject: string;
      readonly row: string;
      readonly record: string;
    };

/** Search texts in lower case; null: whatever. */
export interface StoredQuery {
  readonly from: string | null;
  readonly to: string | null;
  readonly subject: string | null;
  readonly ip: string | null;
  readonly since: number;
  readonly limit: number;
}

export interface StoredStory {
  readonly record: string;
  readonly facts: readonly string[];
}

const operations = {
  insert,
  explain,
  trace,
  stageEvidence,
  expire,
  tlsDomains,
  tlsSessions,
  noteTlsReport,
  dmarcDomains,
  dmarcDay,
  noteDmarcReport,
};
export type TrackingOperations = typeof operations;
export const store: StoreModule = { migrations: [SCHEMA, TLS_SESSIONS, DMARC_RESULTS], operations };

/**
 * All in one commit; returns how many. A fact that cannot be bound is left out: it must not keep the
 * others waiting for ever. A transaction that is stored again replaces its first record.
 */
function insert(db: StoreDatabase, facts: readonly StoredFact[]): number {
  return db.transaction(() => facts.filter((fact) => insertOne(db, fact)).length);
}

function insertOne(db: StoreDatabase, fact: StoredFact): boolean {
  try {
    if (fact.kind === "decided") insertRecord(db, fact);
    else if (fact.kind === "tls-session") countTlsSession(db, fact);
    else if (fact.kind === "dmarc-result") countDmarcResult(db, fact);
    else
      db.prepare("INSERT INTO facts (id, at, fact) VALUES (?, ?, ?)").run(
        fact.id,
        fact.at,
        fact.fact,
      );
    return true;
  } catch (error) {
    if (isOwnFault(error)) return false;
    throw error;
  }
}

/** The fact is at fault, not the store: a value that cannot be bound, is missing, or too big. */
function isOwnFault(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  const primary = Number(error.errcode) & 0xff;
  return primary === SQLITE_TOOBIG || primary === SQLITE_CONSTRAINT;
}

const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;

function insertRecord(db: StoreDatabase, fact: Extract<StoredFact, { kind: "decided" }>): void {
  const seq = db
    .prepare(
      `INSERT INTO transactions (id, at, ip, senders, recipients, subject) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING seq`,
    )
    .get(fact.id, fact.at, fact.ip, fact.senders, fact.recipients, fact.subject)?.seq;
  db.prepare("INSERT OR REPLACE INTO records (seq, row, record) VALUES (?, ?, ?)").run(
    Number(seq),
    fact.row,
    // At the default memLevel 8 an ordinary record costs more to prepare for than to compress.
    deflateRawSync(fact.record, { level: 1, memLevel: 7 }),
  );
}

/** Kinds of sessions with one domain on one day: a report with more helps nobody. */
const MAX_TLS_KINDS = 1000;

function countTlsSession(
  db: StoreDatabase,
  { day, domain, session }: Extract<StoredFact, { kind: "tls-session" }>,
): void {
  const known = db
    .prepare(
      "UPDATE tls_sessions SET count = count + 1 WHERE day = ? AND domain = ? AND session = ?",
    )
    .run(day, domain, session);
  if (known.changes > 0) return;
  const kinds = db
    .prepare("SELECT count(*) AS kinds FROM tls_sessions WHERE day = ? AND domain = ?")
    .get(day, domain)?.kinds;
  if (Number(kinds) >= MAX_TLS_KINDS) return;
  db.prepare("INSERT INTO tls_sessions (day, domain, session, count) VALUES (?, ?, ?, 1)").run(
    day,
    domain,
    session,
  );
}

/** Those of a day that nothing was reported to yet. */
function tlsDomains(db: StoreDatabase, day: string): readonly string[] {
  return db
    .prepare(
      `SELECT DISTINCT domain FROM tls_sessions WHERE day = ?
       EXCEPT SELECT domain FROM tls_reports WHERE day = ?`,
    )
    .all(day, day)
    .map(({ domain }) => String(domain));
}

function tlsSessions(
  db: StoreDatabase,
  { day, domain }: { readonly day: string; readonly domain: string },
): readonly { readonly session: string; readonly count: number }[] {
  return db
    .prepare("SELECT session, count FROM tls_sessions WHERE day = ? AND domain = ?")
    .all(day, domain)
    .map(({ session, count }) => ({ session: String(session), count: Number(count) }));
}

function noteTlsReport(
  db: StoreDatabase,
  { day, domain }: { readonly day: string; readonly domain: string },
): void {
  db.prepare("INSERT OR IGNORE INTO tls_reports (day, domain) VALUES (?, ?)").run(day, domain);
}

function explain(db: StoreDatabase, id: string): StoredStory | null {
  const found = db
    .prepare("SELECT record FROM transactions JOIN records USING (seq) WHERE id = ?")
    .get(id);
  if (!(found?.record instanceof Uint8Array)) return null;
  const facts = db.prepare("SELECT fact FROM facts WHERE id = ? ORDER BY at, seq").all(id);
  return {
    record: inflateRawSync(found.record).toString("utf8"),
    facts: facts.map(({ fact }) => String(fact)),
  };
}

/** Rows as JSON, newest first. `instr` has no wildcards that a search text could smuggle in. */
function trace(db: StoreDatabase, query: StoredQuery): readonly string[] {
  const { from, to, subject, ip, since, limit } = query;
  const conditions: readonly (readonly [string, ...(string | null)[]])[] = [
    ["instr(senders, ?) > 0", from],
    ["instr(recipients, ?) > 0", to],
    ["instr(subject, ?) > 0", subject],
    [HAS_IP, ip, ip],
  ];
  const given = conditions.filter(([, value]) => value !== null);
  const where = ["at >= ?", ...given.map(([sql]) => sql)].join(" AND ");
  return db
    .prepare(
      `SELECT row FROM records JOIN (
         SELECT seq, at FROM transactions WHERE ${where} ORDER BY at DESC, seq DESC LIMIT ?
       ) USING (seq) ORDER BY at DESC, seq DESC`,
    )
    .all(since, ...given.flatMap(([, ...values]) => values), limit)
    .map(({ row }) => String(row));
}

/** One bite, so that new facts get in between: returns what it removed. */
function expire(
  db: StoreDatabase,
  { before, most }: { readonly before: number; readonly most: number },
): { readonly transactions: number; readonly facts: number } {
  return db.transaction(() => {
    const old = db
      .prepare("SELECT seq, id FROM transactions WHERE at < ? ORDER BY at LIMIT ?")
      .all(before, most);
    for (const { seq, id } of old) {
      db.prepare("DELETE FROM records WHERE seq = ?").run(Number(seq));
      db.prepare("DELETE FROM facts WHERE id = ?").run(String(id));
      db.prepare("DELETE FROM transactions WHERE seq = ?").run(Number(seq));
    }
    const strays = db
      .prepare("DELETE FROM facts WHERE seq IN (SELECT seq FROM facts WHERE at < ? LIMIT ?)")
      .run(before, most);
    const day = new Date(before).toISOString().slice(0, 10);
    db.prepare("DELETE FROM tls_sessions WHERE day < ?").run(day);
    db.prepare("DELETE FROM tls_reports WHERE day < ?").run(day);
    expireDmarc(db, day);
    return { transactions: old.length, facts: Number(strays.changes) };
  });
}
