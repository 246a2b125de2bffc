const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** Decides which lines of a stream are structure. All other octets are data. */
export interface LineSink {
  /** May a line that starts so be structure, and must it be seen whole? `second` may be unknown. */
  watches(first: number, second: number | undefined): boolean;
  /** Octets of the longest line that may be structure. */
  longestLine(): number;
  /** Of a whole watched line with its line break. */
  isStructure(line: Buffer): boolean;
  /** A line of structure. The line break before it is part of it and was not given as data. */
  structure(line: Buffer): void;
  /** A watched line that is none. It is given as data as well, later. */
  text(line: Buffer): void;
  /** Valid only during the call. */
  data(octets: Buffer): void;
}

/** Cuts a stream at lines of structure. Each octet is looked at a bounded number of times. */
export interface LineScanner {
  write(chunk: Buffer): void;
  end(): void;
}

export function createLineScanner(sink: LineSink): LineScanner {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let inLine = false;
  /** The line break, or a CR that may begin one, behind the data given so far. */
  let tail: Buffer = NOTHING;

  function give(octets: Buffer): void {
    const rest = joinsTail(octets) ? octets.subarray(1) : octets;
    if (rest !== octets) tail = Buffer.of(CR, LF);
    if (rest.length === 0) return;
    if (tail.length > 0) sink.data(tail);
    const end = rest.length - lineBreakLength(rest);
    if (end > 0) sink.data(rest.subarray(0, end));
    tail = end === rest.length ? NOTHING : Buffer.from(rest.subarray(end));
  }

  function joinsTail(octets: Buffer): boolean {
    return tail.length === 1 && tail[0] === CR && octets[0] === LF;
  }

  function hold(octets: Buffer): void {
    held.push(Buffer.from(octets));
    heldBytes += octets.length;
  }

  function takeHeld(): Buffer {
    const line = Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return line;
  }

  /** True when the line was structure; data before it must have been given. */
  function decide(line: Buffer): boolean {
    if (line.length > sink.longestLine() || !sink.isStructure(line)) return false;
    tail = NOTHING;
    sink.structure(line);
    return true;
  }

  /** Completes the line begun in earlier chunks. The position to go on from. */
  function resume(chunk: Buffer): number {
    const lf = chunk.indexOf(LF);
    const end = lf < 0 ? chunk.length : lf + 1;
    hold(chunk.subarray(0, end));
    if (lf < 0 && heldBytes <= sink.longestLine()) return end;
    const line = takeHeld();
    inLine = lf < 0;
    if (inLine || !decide(line)) {
      if (!inLine) sink.text(line);
      give(line);
    }
    return end;
  }

  function scan(chunk: Buffer, start: number): void {
    let from = start;
    for (let at = start; at < chunk.length; ) {
      const lf = chunk.indexOf(LF, at);
      const end = lf < 0 ? chunk.length : lf + 1;
      const watched = !inLine && sink.watches(chunk[at] as number, chunk[at + 1]);
      inLine = lf < 0;
      const line = chunk.subarray(at, end);
      if (watched && line.length <= sink.longestLine()) {
        if (inLine) {
          give(chunk.subarray(from, at));
          hold(line);
          inLine = false;
          return;
        }
        if (sink.isStructure(line)) {
          give(chunk.subarray(from, at));
          decide(line);
          from = end;
        } else {
          sink.text(line);
        }
      }
      at = end;
    }
    give(chunk.subarray(from));
  }

  return {
    write(chunk) {
      scan(chunk, heldBytes > 0 ? resume(chunk) : 0);
    },
    end() {
      if (heldBytes > 0) {
        const line = takeHeld();
        if (!decide(line)) {
          sink.text(line);
          give(line);
        }
      }
      if (tail.length > 0) sink.data(tail);
      tail = NOTHING;
    },
  };
}

/** The octets of a line break at the end, or of a CR whose LF may follow. */
function lineBreakLength(octets: Buffer): number {
  const last = octets[octets.length - 1];
  if (last === CR) return 1;
  if (last !== LF) return 0;
  return octets[octets.length - 2] === CR ? 2 : 1;
}

/** The line without its line break. */
export function withoutLineBreak(line: Buffer): Buffer {
  return line[line.length - 1] === LF
    ? line.subarray(0, line.length - lineBreakLength(line))
    : line;
}
