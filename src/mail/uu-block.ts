import { decodeUnlabelled } from "./charset.ts";
import { fileNameReadings } from "./file-name.ts";
import { LineScanner, withoutLineBreak } from "./line-scanner.ts";
import { BOUNDARY_LINE_MAX } from "./mime-boundaries.ts";
import type { PartHeader } from "./mime-header.ts";
import { decodeUuLine, isEndLine, parseBeginLine } from "./uuencode-decoder.ts";

/** What one line of text means for a uuencoded file inside it. */
export type UuStep =
  | { readonly kind: "none" | "data" | "end" }
  /** The first line of data behind `begin 644 name`. */
  | { readonly kind: "start"; readonly name: string };

/** Finds `begin` … `end` in text. Readers of old show such a block as an attachment. */
export interface UuBlockFinder {
  /** True while every line must be seen, whatever it starts with. */
  active(): boolean;
  next(line: Buffer): UuStep;
}

export function createUuBlockFinder(): UuBlockFinder {
  let announced: string | null = null;
  let inside = false;

  function stop(kind: "none" | "end"): UuStep {
    inside = false;
    announced = null;
    return { kind };
  }

  return {
    active: () => inside || announced !== null,
    next(withBreak) {
      const line = withoutLineBreak(withBreak);
      if (inside) {
        return isEndLine(line) || decodeUuLine(line) === null ? stop("end") : { kind: "data" };
      }
      if (announced !== null && decodeUuLine(line) !== null) {
        inside = true;
        return { kind: "start", name: announced };
      }
      announced = parseBeginLine(line);
      return { kind: "none" };
    },
  };
}

/** The `b` of `begin`. */
export const UU_FIRST = 0x62;

/** Steps through the lines of a text that was encoded, as they come out of its decoder. */
export function createUuScanner(step: (finder: UuBlockFinder, line: Buffer) => void): LineScanner {
  const finder = createUuBlockFinder();
  return new LineScanner({
    watches: (first) => finder.active() || first === UU_FIRST,
    longestLine: () => BOUNDARY_LINE_MAX,
    isStructure: () => false,
    structure() {},
    text: (line) => step(finder, line),
    data() {},
  });
}

/** The header that a uuencoded block stands for. */
export function toUuHeader(rawName: string): PartHeader {
  return {
    kind: "leaf",
    declaredTypes: [],
    encodings: ["x-uuencode"],
    disposition: "attachment",
    fileNames: fileNameReadings(decodeUnlabelled(Buffer.from(rawName, "latin1"))),
    boundaries: [],
    notes: ["uuencoded-text"],
  };
}
