import { LineScanner, type LineSink, withoutLineBreak } from "./line-scanner.ts";
import {
  BOUNDARY_LINE_MAX,
  type BoundaryMatch,
  matchBoundary,
  mayStartBoundary,
  noteLikeness,
  relationNotes,
} from "./mime-boundaries.ts";
import { createEntity, type Entity, isPlainlyEncoded } from "./mime-entity.ts";
import { createFrame, type Frame, type Place, placeOfNextChild } from "./mime-frame.ts";
import { type PartHeader, readPartHeader } from "./mime-header.ts";
import { createHeaderLines } from "./mime-header-lines.ts";
import type { MimePart } from "./mime-part.ts";
import {
  createUuBlockFinder,
  createUuScanner,
  toUuHeader,
  UU_FIRST,
  type UuBlockFinder,
} from "./uu-block.ts";

export interface MimeLimits {
  readonly depth: number;
  readonly parts: number;
  /** Of one part. */
  readonly headerBytes: number;
  readonly headerLines: number;
}

/** One call to the visitor, in the order in which it is due. */
export type MimeEvent =
  | { readonly kind: "open" | "close"; readonly part: MimePart }
  | { readonly kind: "body"; readonly part: MimePart; readonly chunk: Buffer };

/** What a parser shares with the parsers of encoded messages inside it. */
export interface MimeWalk {
  readonly limits: MimeLimits;
  readonly entities: Entity[];
  events: MimeEvent[];
  /** True once there are more parts than allowed: the rest is not read. */
  full: boolean;
  /** Octets looked at, each time: the measure of cost. */
  work: number;
}

/**
 * The state machine: a stack of open parts over lines. Every boundary of every open multipart ends
 * what is inside it, whichever copy of a field or reading of a parameter named it.
 */
export class MimeParser implements LineSink {
  readonly #walk: MimeWalk;
  readonly #scanner: LineScanner;
  readonly #frames: Frame[] = [];

  constructor(walk: MimeWalk, place: Place) {
    this.#walk = walk;
    this.#scanner = new LineScanner(this);
    this.#push(place);
  }

  write(chunk: Buffer): void {
    if (this.#walk.full) return;
    this.#walk.work += chunk.length;
    this.#scanner.write(chunk);
  }

  end(): void {
    if (!this.#walk.full) this.#scanner.end();
    this.#closeDownTo(0);
  }

  watches(first: number, second: number | undefined): boolean {
    const { phase, uu } = this.#top();
    if (phase === "header" || uu?.active()) return true;
    if (mayStartBoundary(first, second)) return true;
    // "begin 644", and "Content-" where no part is.
    return uu !== null && (first === UU_FIRST || (phase !== "inside" && (first | 0x20) === 0x63));
  }

  longestLine(): number {
    const { phase, lines } = this.#top();
    return Math.max(BOUNDARY_LINE_MAX, phase === "header" ? lines.room() : 0);
  }

  isStructure(line: Buffer): boolean {
    return this.#top().phase === "header" || this.#match(line) !== null;
  }

  structure(line: Buffer): void {
    const match = this.#match(line);
    const frame = this.#top();
    if (match) this.#cross(match);
    else if (withoutLineBreak(line).length === 0) this.#endHeader(frame);
    else if (isStrayDelimiter(line)) this.#endHeaderAt(frame, line);
    else frame.lines.add(line);
  }

  text(line: Buffer): void {
    const frame = this.#top();
    this.#walk.work += line.length;
    noteLikeness(line, this.#frames);
    if (!frame.uu) return;
    if (frame.phase !== "inside" && CONTENT_FIELD.test(line.toString("latin1", 0, 64))) {
      frame.entity?.note("text-outside-parts");
    }
    this.#stepUu(frame, frame.uu, line);
  }

  data(octets: Buffer): void {
    const frame = this.#top();
    if (frame.phase === "header") frame.lines.overflow();
    else if (frame.phase === "inside" && frame.entity) {
      this.#walk.work += octets.length;
      this.#emit(frame, frame.entity, frame.entity.write(octets));
    } else if (!frame.hasText) frame.hasText = !isBlank(octets);
  }

  #top(): Frame {
    const frame = this.#frames.at(-1);
    if (!frame) throw new Error("no part is open");
    return frame;
  }

  #push(place: Place): void {
    const { headerBytes, headerLines } = this.#walk.limits;
    this.#frames.push(createFrame(place, createHeaderLines(headerBytes, headerLines)));
  }

  #pushChild(frame: Frame, defaultType: string | null): void {
    this.#push({ ...placeOfNextChild(frame), defaultType });
  }

  #match(line: Buffer): BoundaryMatch | null {
    this.#walk.work += line.length;
    return matchBoundary(line, this.#frames);
  }

  #cross({ index, closes }: BoundaryMatch): void {
    this.#closeDownTo(index + 1);
    const frame = this.#top();
    this.#endUu(frame);
    if (closes) {
      frame.phase = "closed";
      return;
    }
    if (frame.phase === "closed") frame.entity?.note("boundary-after-close");
    frame.phase = "outside";
    const isDigest = frame.entity?.header.declaredTypes.includes("multipart/digest");
    this.#pushChild(frame, isDigest ? "message/rfc822" : null);
  }

  #endHeader(frame: Frame): void {
    const { block, octets, notes } = frame.lines.finish();
    this.#walk.work += octets;
    const read = readPartHeader(block, frame.place.defaultType);
    const tooDeep = read.kind !== "leaf" && frame.place.depth >= this.#walk.limits.depth;
    const kind = tooDeep ? "leaf" : read.kind;
    const header: PartHeader = {
      ...read,
      kind,
      notes: [...new Set([...notes, ...read.notes, ...(tooDeep ? LIMIT_DEPTH : [])])],
    };
    const entity = this.#open(frame.place, header);
    if (!entity) return;
    frame.entity = entity;
    frame.phase = kind === "multipart" ? "outside" : "inside";
    if (kind === "multipart") this.#startMultipart(frame, entity);
    else if (kind === "message") this.#startMessage(frame, header);
    else if (isText(header)) this.#startText(frame, header);
  }

  /** The empty line is missing, and the body starts with what may be the header's own boundary. */
  #endHeaderAt(frame: Frame, line: Buffer): void {
    this.#endHeader(frame);
    frame.entity?.note("header-malformed");
    const match = this.#match(line);
    if (match) this.#cross(match);
    else this.data(line);
  }

  #startMultipart(frame: Frame, entity: Entity): void {
    const { boundaries } = entity.header;
    const enclosing = this.#frames.flatMap((open) => open.boundaries);
    for (const note of relationNotes(boundaries, enclosing)) entity.note(note);
    frame.uu = createUuBlockFinder();
    frame.boundaries = boundaries;
  }

  #startMessage(frame: Frame, header: PartHeader): void {
    if (isPlainlyEncoded(header)) this.#pushChild(frame, null);
    else {
      frame.inner = new MimeParser(this.#walk, { ...placeOfNextChild(frame), defaultType: null });
    }
  }

  #startText(frame: Frame, header: PartHeader): void {
    if (isPlainlyEncoded(header)) {
      frame.uu = createUuBlockFinder();
      return;
    }
    const scanner = createUuScanner((finder, line) => {
      this.#walk.work += line.length;
      this.#stepUu(frame, finder, line);
    });
    frame.inner = {
      write: (octets) => scanner.write(octets),
      end: () => {
        scanner.end();
        this.#endUu(frame);
      },
    };
  }

  /** null when there are too many parts. */
  #open(place: Pick<Place, "path" | "depth">, header: PartHeader): Entity | null {
    const { entities, limits, events } = this.#walk;
    if (entities.length >= limits.parts) {
      this.#walk.full = true;
      entities[0]?.note("limit-parts");
      return null;
    }
    const entity = createEntity(place.path, place.depth, header);
    entities.push(entity);
    events.push({ kind: "open", part: entity.opened });
    return entity;
  }

  #emit(frame: Frame | null, entity: Entity, chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#walk.events.push({ kind: "body", part: entity.opened, chunk });
    frame?.inner?.write(chunk);
  }

  #closeDownTo(count: number): void {
    while (this.#frames.length > count) {
      const frame = this.#top();
      if (frame.phase === "header" && !this.#walk.full) {
        // What this opens, a message or a multipart without parts, is closed in turn.
        this.#endHeader(frame);
        frame.entity?.note("header-without-end");
        continue;
      }
      this.#close(frame);
      this.#frames.pop();
    }
  }

  #close(frame: Frame): void {
    // The last lines of an encoded text are still to come.
    if (frame.inner === null) this.#endUu(frame);
    const { entity, boundaries, phase } = frame;
    if (!entity) return;
    if (boundaries.length > 0 && phase !== "closed") entity.note("boundary-never-closed");
    if (boundaries.length > 0 && frame.children === 0 && frame.hasText) {
      entity.note("boundary-missing");
    }
    this.#finish(frame, entity);
  }

  #finish(frame: Frame | null, entity: Entity): void {
    this.#emit(frame, entity, entity.finish());
    frame?.inner?.end();
    this.#walk.events.push({ kind: "close", part: entity.snapshot() });
  }

  #stepUu(frame: Frame, finder: UuBlockFinder, line: Buffer): void {
    const step = finder.next(line);
    if (step.kind === "start") {
      frame.entity?.note("uuencoded-text");
      frame.uuEntity = this.#open(placeOfNextChild(frame), toUuHeader(step.name));
    }
    if (step.kind === "end") this.#endUu(frame);
    else if (frame.uuEntity) this.#emit(null, frame.uuEntity, frame.uuEntity.write(line));
  }

  #endUu(frame: Frame): void {
    if (frame.uu?.active()) frame.uu = createUuBlockFinder();
    const entity = frame.uuEntity;
    frame.uuEntity = null;
    if (entity) this.#finish(null, entity);
  }
}

/** Not a field: `--` without a name and a colon. */
function isStrayDelimiter(line: Buffer): boolean {
  return line[0] === 0x2d && line[1] === 0x2d && !/^[!-9;-~]+[ \t]*:/.test(line.toString("latin1"));
}

function isBlank(octets: Buffer): boolean {
  return octets.every((octet) => octet <= 0x20);
}

const CONTENT_FIELD = /^content-[a-z-]{1,40}[ \t]*:/i;
const LIMIT_DEPTH = ["limit-depth"] as const;

function isText({ declaredTypes }: PartHeader): boolean {
  return declaredTypes.length === 0 || declaredTypes.some((type) => type.startsWith("text/"));
}
