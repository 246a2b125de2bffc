import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Column, renderTable } from "../../src/cli/table.ts";
import { displayWidth, isVisible } from "../../src/cli/visible-text.ts";

const COLUMNS: readonly Column[] = [
  { title: "id" },
  { title: "from", flexible: true },
  { title: "size", align: "right" },
  { title: "client", optional: true },
];
const ROWS = [
  ["01", "alice@example.org", "5 B", "192.0.2.1"],
  ["02", "Ähm 日本@example.org", "12.5 KiB", "2001:db8::1"],
];

describe("table", () => {
  test("columns are aligned by what is seen, numbers to the right", () => {
    assert.deepEqual(renderTable(COLUMNS, ROWS, null), [
      "id  from                      size  client",
      "01  alice@example.org          5 B  192.0.2.1",
      "02  Ähm 日本@example.org  12.5 KiB  2001:db8::1",
    ]);
  });

  test("a narrow terminal costs an optional column first, then cuts what is flexible", () => {
    assert.deepEqual(renderTable(COLUMNS, ROWS, 30), [
      "id  from                  size",
      "01  alice@example.o…       5 B",
      "02  Ähm 日本@exampl…  12.5 KiB",
    ]);
    for (const width of [24, 30, 36, 40, 44, 60])
      for (const line of renderTable(COLUMNS, ROWS, width)) assert.ok(displayWidth(line) <= width);
  });

  test("a terminal too narrow for anything still gets the ids whole", () => {
    const lines = renderTable(COLUMNS, ROWS, 5);
    assert.ok(lines[1]?.startsWith("01  "));
  });

  test("hostile cells cannot break out of their row", () => {
    const lines = renderTable(COLUMNS, [["01", "a\nb\u001b[31m\u202e", "\u0000", "x"]], null);
    assert.equal(lines.length, 2);
    for (const line of lines) assert.equal(isVisible(line), true);
  });

  test("missing cells are empty, no rows leave the titles", () => {
    assert.deepEqual(renderTable(COLUMNS, [["01"]], null), ["id  from  size  client", "01"]);
    assert.deepEqual(renderTable(COLUMNS, [], null), ["id  from  size  client"]);
  });
});
