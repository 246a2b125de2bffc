import { trimBlanksAtEnd } from "./header-block.ts";
import type { Frame } from "./mime-frame.ts";
import type { MimeNote } from "./mime-part.ts";

/**
 * Lines that may be a boundary: RFC 5322 2.1.1 allows 998 characters, and padding (RFC 2046 5.1.1)
 * must not make one too long to be seen.
 */
export const BOUNDARY_LINE_MAX = 2048;

const DASH = 0x2d;

export interface BoundaryMatch {
  /** Which of the open parts it belongs to. */
  readonly index: number;
  readonly closes: boolean;
}

/** Could a line that starts so be a boundary? `second` is unknown where the chunk ends. */
export function mayStartBoundary(first: number, second: number | undefined): boolean {
  return first === DASH && (second === undefined || second === DASH);
}

/** The innermost multipart whose boundary the line is. */
export function matchBoundary(line: Buffer, frames: readonly Frame[]): BoundaryMatch | null {
  if (line[0] !== DASH || line[1] !== DASH || line.length > BOUNDARY_LINE_MAX) return null;
  const trimmed = trimBlanksAtEnd(line.toString("latin1", 2));
  for (let index = frames.length - 1; index >= 0; index--) {
    for (const boundary of frames[index]?.boundaries ?? []) {
      if (trimmed === boundary) return { index, closes: false };
      if (trimmed.length === boundary.length + 2 && trimmed === `${boundary}--`) {
        return { index, closes: true };
      }
    }
  }
  return null;
}

/** Notes the multiparts whose readers see a boundary where only the start of a line is compared. */
export function noteLikeness(line: Buffer, frames: readonly Frame[]): void {
  if (line[0] !== DASH || line[1] !== DASH) return;
  const text = line.toString("latin1", 2);
  for (const { boundaries, entity } of frames) {
    if (boundaries.some((boundary) => text.startsWith(boundary))) {
      entity?.note("boundary-like-line");
    }
  }
}

/** What makes boundaries of one multipart and those around it hard to tell apart. */
export function relationNotes(
  own: readonly string[],
  enclosing: readonly string[],
): readonly MimeNote[] {
  const notes = new Set<MimeNote>();
  for (const boundary of own) {
    if (enclosing.includes(boundary)) notes.add("boundary-reused");
    for (const other of [...own, ...enclosing]) {
      if (other === boundary) continue;
      if (other.startsWith(boundary) || boundary.startsWith(other)) {
        notes.add("boundary-prefix-of-another");
      }
    }
  }
  return [...notes];
}
