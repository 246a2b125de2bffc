import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openStoreDatabase } from "../../src/base/sqlite-database.ts";
import {
  countDmarcResult,
  DMARC_BOUNDS,
  DMARC_RESULTS,
  dmarcDay,
  dmarcDomains,
  noteDmarcReport,
} from "../../src/tracking/dmarc-results-store.ts";
import { afterwards } from "../support/afterwards.ts";

const DAY = "2026-11-24";

test("kinds of messages and domains beyond the bounds are counted as left out", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-dmarc-"));
  const file = join(folder, "x.db");
  const db = openStoreDatabase({ file, durable: false }, { migrations: [DMARC_RESULTS] });
  afterwards(t, async () => {
    db.close();
    await rm(folder, { recursive: true, force: true });
  });
  const count = (domain: string, result: string) =>
    countDmarcResult(db, { kind: "dmarc-result", at: 0, day: DAY, domain, policy: "{}", result });
  const { kindsOfDomain, domains, kindsOfDay } = DMARC_BOUNDS;
  db.transaction(() => {
    for (let i = 0; i < kindsOfDomain + 2; i++) count("busy.example", `${i}`);
    count("busy.example", "0");
  });
  const busy = dmarcDay(db, { day: DAY, domain: "busy.example" });
  assert.equal(busy?.results.length, kindsOfDomain);
  assert.equal(busy.leftOut, 2);
  assert.equal(busy.results.find(({ result }) => result === "0")?.count, 2);
  assert.equal(dmarcDomains(db, DAY).length, 1);

  db.transaction(() => {
    for (let i = 0; i < domains; i++) count(`d${i}.example`, "x");
  });
  assert.equal(dmarcDay(db, { day: DAY, domain: "" })?.leftOut, 1);
  assert.equal(dmarcDomains(db, DAY).length, domains + 1);

  // One day full of kinds.
  db.prepare("UPDATE dmarc_domains SET kinds = ? WHERE domain = ''").run(kindsOfDay);
  count("d0.example", "y");
  assert.equal(dmarcDay(db, { day: DAY, domain: "d0.example" })?.leftOut, 1);
  noteDmarcReport(db, { day: DAY, domain: "" });
  assert.ok(!dmarcDomains(db, DAY).includes(""));
  noteDmarcReport(db, { day: "2026-11-25", domain: "d0.example" });
  assert.deepEqual(dmarcDomains(db, DAY), []);
});
