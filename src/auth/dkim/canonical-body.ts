import type { Canonicalization } from "./dkim-signature.ts";

/** A body in canonical form (RFC 6376 3.4.3, 3.4.4), in whatever chunks it comes. */
export interface CanonicalBody {
  write(chunk: Buffer): void;
  /** Octets of the whole canonical body. */
  end(): number;
}

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const OUT_BYTES = 16_384;

/** Canonical octets go to `sink`, which must not keep them: the buffer is used again. */
export function createCanonicalBody(
  mode: Canonicalization,
  sink: (octets: Buffer) => void,
): CanonicalBody {
  const out = createOutput(sink);
  return mode === "simple" ? createSimple(out) : createRelaxed(out);
}

interface Output {
  octet(octet: number): void;
  octets(bytes: Buffer): void;
  lineEnds(count: number): void;
  /** All that was given so far. */
  total(): number;
  flush(): void;
}

function createOutput(sink: (octets: Buffer) => void): Output {
  const buffer = Buffer.allocUnsafe(OUT_BYTES);
  let used = 0;
  let total = 0;
  const flush = () => {
    if (used > 0) sink(buffer.subarray(0, used));
    used = 0;
  };
  const octet = (value: number) => {
    if (used === OUT_BYTES) flush();
    buffer[used++] = value;
    total += 1;
  };
  return {
    octet,
    octets(bytes) {
      flush();
      total += bytes.length;
      if (bytes.length > 0) sink(bytes);
    },
    lineEnds(count) {
      for (let i = 0; i < count; i++) {
        octet(CR);
        octet(LF);
      }
    },
    total: () => total,
    flush,
  };
}

/** As it is, but for empty lines at the end. An empty body is one line end. */
function createSimple(out: Output): CanonicalBody {
  let lineEnds = 0;
  let hasCr = false;

  function release(): void {
    out.lineEnds(lineEnds);
    lineEnds = 0;
    if (hasCr) out.octet(CR);
    hasCr = false;
  }

  /** Line ends are held back: they may be the last. */
  function hold(octet: number): void {
    if (octet === LF && hasCr) {
      lineEnds += 1;
      hasCr = false;
    } else if (octet === CR && !hasCr) hasCr = true;
    else {
      release();
      if (octet === CR) hasCr = true;
      else out.octet(octet);
    }
  }

  return {
    write(chunk) {
      let start = 0;
      while (start < chunk.length && isLineOctet(chunk[start])) hold(chunk[start++] ?? 0);
      let end = chunk.length;
      while (end > start && isLineOctet(chunk[end - 1])) end -= 1;
      if (end === start) return;
      release();
      out.octets(chunk.subarray(start, end));
      while (end < chunk.length) hold(chunk[end++] ?? 0);
    },
    end() {
      if (hasCr) release();
      out.lineEnds(1);
      out.flush();
      return out.total();
    },
  };
}

function isLineOctet(octet: number | undefined): boolean {
  return octet === CR || octet === LF;
}

/** Blanks at ends of lines go, runs of blanks become one, empty lines at the end go. */
function createRelaxed(out: Output): CanonicalBody {
  let lineEnds = 0;
  let hasBlank = false;
  let hasCr = false;

  function content(octet: number): void {
    out.lineEnds(lineEnds);
    lineEnds = 0;
    if (hasBlank) out.octet(SPACE);
    hasBlank = false;
    out.octet(octet);
  }

  /** A CR that no LF follows is a letter like any other. */
  function settleCr(): void {
    if (hasCr) content(CR);
    hasCr = false;
  }

  function take(octet: number): void {
    if (octet === LF && hasCr) {
      hasCr = false;
      hasBlank = false;
      lineEnds += 1;
      return;
    }
    settleCr();
    if (octet === CR) hasCr = true;
    else if (octet === SPACE || octet === TAB) hasBlank = true;
    else content(octet);
  }

  return {
    write(chunk) {
      for (const octet of chunk) take(octet);
    },
    end() {
      settleCr();
      if (out.total() > 0) out.lineEnds(1);
      out.flush();
      return out.total();
    },
  };
}
