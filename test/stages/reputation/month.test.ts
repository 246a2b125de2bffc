import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { type GroupResult, simulateMonth } from "../../support/simulated-month.ts";

let results: readonly GroupResult[] = [];

before(async () => {
  results = await simulateMonth();
});

const find = (start: string) => results.filter(({ group }) => group.startsWith(start));

test("in a month no good sender is blocked, nor refused once", () => {
  const good = [
    ...find("good senders"),
    ...find("a large provider"),
    ...find("a newsletter"),
    ...find("careless newcomer"),
  ];
  assert.equal(good.length, 6);
  for (const { group, blocks, refused } of good)
    assert.deepEqual([group, blocks, refused], [group, 0, 0]);
});

test("a spammer is blocked after twenty messages, one who rotates sooner at each address", () => {
  const [fixed] = find("spammers at one address");
  const [rotating] = find("a spammer who rotates");
  assert.ok((fixed?.untilBlock ?? 99) <= 25, JSON.stringify(fixed));
  assert.ok((rotating?.untilBlock ?? 99) < 10, JSON.stringify(rotating));
});

test("the table in the docs is that of this month", async () => {
  const page = await readFile(join(import.meta.dirname, "../../../docs/reputation.md"), "utf8");
  for (const line of toTable(results)) assert.ok(page.includes(line), `missing: ${line}`);
});

function toTable(all: readonly GroupResult[]): readonly string[] {
  return all.map(
    ({ group, senders, messages, blocks, untilBlock, refused }) =>
      `| ${group} | ${senders} | ${messages} | ${blocks} | ${untilBlock ?? "–"} | ${refused} |`,
  );
}
