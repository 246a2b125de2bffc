import type { Entity } from "./mime-entity.ts";
import type { HeaderLines } from "./mime-header-lines.ts";
import type { MimeParser } from "./mime-parser.ts";
import type { UuBlockFinder } from "./uu-block.ts";

export interface Place {
  readonly path: string;
  readonly depth: number;
  /** Content-Type where none is given. */
  readonly defaultType: string | null;
}

/** One open part. Its header comes first; then it is an entity. */
export interface Frame {
  readonly place: Place;
  readonly lines: HeaderLines;
  entity: Entity | null;
  /** Of a multipart: `outside` its parts, before or between them, or `closed` by its last line. */
  phase: "header" | "inside" | "outside" | "closed";
  boundaries: readonly string[];
  children: number;
  /** Of a multipart: text stands outside its parts. */
  hasText: boolean;
  uu: UuBlockFinder | null;
  uuEntity: Entity | null;
  /** Reads the decoded octets of a message, or of a text, that is itself encoded. */
  inner: Pick<MimeParser, "write" | "end"> | null;
}

export function createFrame(place: Place, lines: HeaderLines): Frame {
  return {
    place,
    lines,
    entity: null,
    phase: "header",
    boundaries: [],
    children: 0,
    hasText: false,
    uu: null,
    uuEntity: null,
    inner: null,
  };
}

/** Counts a child and says where it stands. */
export function placeOfNextChild(frame: Frame): Pick<Place, "path" | "depth"> {
  frame.children++;
  return { path: `${frame.place.path}.${frame.children}`, depth: frame.place.depth + 1 };
}
