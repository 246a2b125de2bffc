import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatBytes, formatSpan, formatTime, parseSince } from "../../src/cli/time-words.ts";

const NOW = Date.UTC(2026, 0, 31, 8);

describe("time words", () => {
  test("a span counts back from now, a date is itself", () => {
    assert.equal(parseSince("90s", NOW), NOW - 90_000);
    assert.equal(parseSince("30m", NOW), NOW - 1_800_000);
    assert.equal(parseSince("12h", NOW), NOW - 43_200_000);
    assert.equal(parseSince(" 7d ", NOW), NOW - 604_800_000);
    assert.equal(parseSince("2w", NOW), NOW - 1_209_600_000);
    assert.equal(parseSince("2026-01-30", NOW), Date.UTC(2026, 0, 30));
    assert.equal(parseSince("2026-01-30T08:00:00Z", NOW), Date.UTC(2026, 0, 30, 8));
  });

  test("anything else is no time", () => {
    for (const text of [
      "",
      "7",
      "d",
      "7y",
      "-7d",
      "1e9d",
      "yesterday",
      "2026-13-01",
      "9999999d",
      "7d; rm",
    ])
      assert.equal(parseSince(text, NOW), null, text);
  });

  test("times, spans and sizes are short and never throw", () => {
    assert.equal(formatTime(NOW), "2026-01-31 08:00:00");
    assert.equal(formatTime(Number.NaN), "NaN");
    assert.equal(formatTime(1e300), "1e+300");
    assert.equal(formatSpan(0.42), "0.4 ms");
    assert.equal(formatSpan(350.4), "350 ms");
    assert.equal(formatSpan(12_540), "12.5 s");
    assert.equal(formatSpan(180_000), "3 min");
    assert.equal(formatBytes(0), "0 B");
    assert.equal(formatBytes(1536), "1.5 KiB");
    assert.equal(formatBytes(26_214_400), "25 MiB");
  });
});
