import { type MimeLimits, MimeParser, type MimeWalk } from "./mime-parser.ts";
import type { MimeNote, MimeVisitor, MimeWalker } from "./mime-part.ts";

/** behaviour.md section 5: MIME depth and parts; header block and header lines, here of each part. */
export const MIME_LIMITS: MimeLimits = Object.freeze({
  depth: 32,
  parts: 1000,
  headerBytes: 256 * 1024,
  headerLines: 1000,
});

/** Bounds what one step decodes before visitors are awaited. */
const STEP_BYTES = 64 * 1024;

/**
 * Walks a message while it streams by: linear time, memory bounded by the limits and not by the
 * message. Whatever the octets are, it does not throw; only a visitor's error comes through.
 */
export function createMimeWalker(
  visitor: MimeVisitor,
  limits: Partial<MimeLimits> = {},
): MimeWalker & { readonly work: () => number } {
  const walk: MimeWalk = {
    limits: { ...MIME_LIMITS, ...limits },
    entities: [],
    events: [],
    full: false,
    work: 0,
  };
  const parser = new MimeParser(walk, { path: "1", depth: 0, defaultType: null });

  async function tell(): Promise<void> {
    const due = walk.events;
    walk.events = [];
    for (const event of due) {
      if (event.kind === "body") await visitor.body?.(event.part, event.chunk);
      else await visitor[event.kind]?.(event.part);
    }
  }

  return {
    async write(chunk) {
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        parser.write(chunk.subarray(at, at + STEP_BYTES));
        await tell();
      }
    },
    async end() {
      parser.end();
      await tell();
      const parts = walk.entities.map((entity) => entity.snapshot());
      const notes = new Set<MimeNote>(parts.flatMap((part) => part.notes));
      return { parts, notes: [...notes] };
    },
    /** Octets and lines looked at so far, each time: the measure that cost tests compare. */
    work: () => walk.work,
  };
}
