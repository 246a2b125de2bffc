const LF = 0x0a;
const CR = 0x0d;

/**
 * Far over what a session lets in (256 KiB, behaviour.md section 5): a message that was never in a
 * session, as of `judge FILE`, is bounded as well.
 */
export const HEADER_BYTES_MAX: number = 1024 * 1024;

/** Collects the header section of a message that streams by, and finds where its body starts. */
export interface HeaderCollector {
  /** Octets of the chunk that belong to the header section, its empty line included. */
  write(chunk: Buffer): number;
  /** True once the empty line was seen. */
  ended(): boolean;
  bytes(): Buffer;
}

/** `write` throws RangeError over HEADER_BYTES_MAX: a header that is not kept cannot be cleaned. */
export function createHeaderCollector(): HeaderCollector {
  const kept: Buffer[] = [];
  let total = 0;
  let ended = false;
  let line: "empty" | "cr" | "filled" = "empty";

  /** The position after the empty line, or the chunk's length. */
  function scan(chunk: Buffer): number {
    for (let at = 0; at < chunk.length; ) {
      if (line === "filled") {
        const lf = chunk.indexOf(LF, at);
        if (lf < 0) break;
        line = "empty";
        at = lf + 1;
        continue;
      }
      const octet = chunk[at++];
      if (octet === LF) {
        ended = true;
        return at;
      }
      line = octet === CR && line === "empty" ? "cr" : "filled";
    }
    return chunk.length;
  }

  return {
    write(chunk) {
      if (ended) return 0;
      const taken = scan(chunk);
      total += taken;
      if (total > HEADER_BYTES_MAX) throw new RangeError("the header section is too large to keep");
      // A copy: a slice would keep the whole network buffer alive.
      kept.push(Buffer.from(chunk.subarray(0, taken)));
      return taken;
    },
    ended: () => ended,
    bytes: () => Buffer.concat(kept, total),
  };
}
