import type { StoreDatabase } from "../base/sqlite-database.ts";

/**
 * What DMARC said of mail, counted by day (a date in UTC) and policy domain, for aggregate reports
 * (RFC 9990): `result` is the JSON of all that such messages have in common. The row of the domain
 * "" has what all domains of the day make together, and what there was no room for.
 */
export const DMARC_RESULTS = `
CREATE TABLE dmarc_results (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  result TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (day, domain, result)
) WITHOUT ROWID;
CREATE TABLE dmarc_domains (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  policy TEXT NOT NULL,
  kinds INTEGER NOT NULL DEFAULT 0,
  domains INTEGER NOT NULL DEFAULT 0,
  left_out INTEGER NOT NULL DEFAULT 0,
  reported INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, domain)
) WITHOUT ROWID;
`;

export interface StoredDmarcResult {
  readonly kind: "dmarc-result";
  readonly at: number;
  readonly day: string;
  readonly domain: string;
  /** JSON; the last one of the day is reported. */
  readonly policy: string;
  readonly result: string;
}

/**
 * Whoever sends forged mail makes rows by his addresses, and domains at will. A kind has some 500
 * octets, and 3 KB when it is made to be large: a day of them at worst some 300 MB of the file.
 */
export const DMARC_BOUNDS = { kindsOfDomain: 10_000, domains: 10_000, kindsOfDay: 100_000 };

export interface StoredDmarcDay {
  readonly policy: string;
  /** Messages that are in no result. */
  readonly leftOut: number;
  readonly results: readonly { readonly result: string; readonly count: number }[];
}

export function countDmarcResult(db: StoreDatabase, stored: StoredDmarcResult): void {
  const { day, domain, policy, result } = stored;
  const known = db
    .prepare(
      "UPDATE dmarc_results SET count = count + 1 WHERE day = ? AND domain = ? AND result = ?",
    )
    .run(day, domain, result);
  if (known.changes === 0) addKind(db, stored);
  db.prepare(
    "UPDATE dmarc_domains SET policy = ? WHERE day = ? AND domain = ? AND policy <> ?",
  ).run(policy, day, domain, policy);
}

function addKind(db: StoreDatabase, { day, domain, policy, result }: StoredDmarcResult): void {
  const total = countsOf(db, day, "");
  const own = countsOf(db, day, domain);
  const isFull =
    total.kinds >= DMARC_BOUNDS.kindsOfDay ||
    own.kinds >= DMARC_BOUNDS.kindsOfDomain ||
    (!own.isKnown && total.domains >= DMARC_BOUNDS.domains);
  if (isFull) {
    leaveOut(db, day, own.isKnown ? domain : "");
    return;
  }
  db.prepare("INSERT INTO dmarc_results (day, domain, result, count) VALUES (?, ?, ?, 1)").run(
    day,
    domain,
    result,
  );
  const add = db.prepare(
    `INSERT INTO dmarc_domains (day, domain, policy, kinds, domains) VALUES (?, ?, ?, 1, ?)
     ON CONFLICT (day, domain) DO UPDATE
     SET kinds = kinds + 1, domains = domains + excluded.domains`,
  );
  add.run(day, domain, policy, 0);
  add.run(day, "", "", own.isKnown ? 0 : 1);
}

function countsOf(db: StoreDatabase, day: string, domain: string) {
  const found = db
    .prepare("SELECT kinds, domains FROM dmarc_domains WHERE day = ? AND domain = ?")
    .get(day, domain);
  return {
    isKnown: found !== undefined,
    kinds: Number(found?.kinds ?? 0),
    domains: Number(found?.domains ?? 0),
  };
}

function leaveOut(db: StoreDatabase, day: string, domain: string): void {
  db.prepare("UPDATE dmarc_domains SET left_out = left_out + 1 WHERE day = ? AND domain = ?").run(
    day,
    domain,
  );
}

/** Those of a day that nothing was reported to yet; "" when messages of others were left out. */
export function dmarcDomains(db: StoreDatabase, day: string): readonly string[] {
  return db
    .prepare(
      `SELECT domain FROM dmarc_domains
       WHERE day = ? AND reported = 0 AND (domain <> '' OR left_out > 0)`,
    )
    .all(day)
    .map(({ domain }) => String(domain));
}

interface DayAndDomain {
  readonly day: string;
  readonly domain: string;
}

export function dmarcDay(db: StoreDatabase, { day, domain }: DayAndDomain): StoredDmarcDay | null {
  const found = db
    .prepare("SELECT policy, left_out FROM dmarc_domains WHERE day = ? AND domain = ?")
    .get(day, domain);
  if (!found) return null;
  const results = db
    .prepare("SELECT result, count FROM dmarc_results WHERE day = ? AND domain = ?")
    .all(day, domain)
    .map(({ result, count }) => ({ result: String(result), count: Number(count) }));
  return { policy: String(found.policy), leftOut: Number(found.left_out), results };
}

/** Results of that domain and of earlier days are of no more use. */
export function noteDmarcReport(db: StoreDatabase, { day, domain }: DayAndDomain): void {
  db.transaction(() => {
    db.prepare("UPDATE dmarc_domains SET reported = 1 WHERE day = ? AND domain = ?").run(
      day,
      domain,
    );
    db.prepare("DELETE FROM dmarc_results WHERE day = ? AND domain = ?").run(day, domain);
    expireDmarc(db, day);
  });
}

export function expireDmarc(db: StoreDatabase, day: string): void {
  db.prepare("DELETE FROM dmarc_results WHERE day < ?").run(day);
  db.prepare("DELETE FROM dmarc_domains WHERE day < ?").run(day);
}
