import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { conformanceData } from "../support/conformance-data.ts";
import { walkMime } from "../support/walk-mime.ts";

/**
 * The type that Python's `email` package reads for each part (`-`: none is written), of all mail of
 * two sets that is more than one plain text. The fields of a delivery status and of a body kept
 * elsewhere, which Python takes for parts, are left out.
 */
const types: Record<string, readonly string[]> = JSON.parse(
  readFileSync(join(import.meta.dirname, "mime-types.json"), "utf8"),
);

/** Where we find other parts than Python, and why: then every type it finds must be among ours. */
const OTHER_PARTS: Readonly<Record<string, string>> = {
  "python-email/msg_15.txt": "a boundary used twice: we end the innermost multipart, and note it",
  "python-email/msg_37.txt": "boundary lines in a row: each starts a part for us",
  "python-email/msg_39.txt": "a boundary used twice: we end the innermost multipart, and note it",
};

for (const set of ["python-email", "ruby-mail"] as const) {
  const { folder, skip } = conformanceData(set);
  for (const [file, expected] of Object.entries(types)) {
    if (!file.startsWith(`${set}/`)) continue;
    const why = OTHER_PARTS[file];
    test(why ? `${file} has types in other places: ${why}` : `${file} declares its types`, {
      skip,
    }, async () => {
      const { tree } = await walkMime(readFileSync(join(folder, "..", file)));
      const found = tree.parts.map(
        ({ path, declaredTypes }) => `${path} ${declaredTypes[0] ?? "-"}`,
      );
      if (!why) assert.deepEqual(found, expected);
      else {
        assert.notDeepEqual(found, expected, "the exception is stale");
        const kinds = new Set(found.map(typeOf));
        for (const line of expected) assert.ok(kinds.has(typeOf(line)), line);
      }
    });
  }
}

function typeOf(line: string): string {
  return line.slice(line.indexOf(" ") + 1);
}
