import type { Json } from "../base/json.ts";
import { type Answer, known, type Subject } from "./reputation.ts";
import type { Shelf, ShelfEntry } from "./shelf.ts";
import { parseSubject, subjectText } from "./subjects.ts";

/** A subject that we refuse until a time, with who decided that and on what. */
export interface Block {
  readonly subject: Subject;
  readonly reason: string;
  readonly since: number;
  readonly until: number;
  /** A stage's name, or an operator's. */
  readonly by: string;
  readonly evidence: Json;
}

export interface Blocks {
  put(block: Omit<Block, "since">): Promise<Answer<true>>;
  /** Those of the subjects that are blocked now. */
  get(subjects: readonly Subject[]): Promise<Answer<readonly Block[]>>;
  list(): Promise<Answer<readonly Block[]>>;
  remove(subject: Subject): Promise<Answer<boolean>>;
}

export function createBlocks(shelf: Shelf): Blocks {
  return {
    put: ({ subject, until, ...value }) => shelf.put({ key: subjectText(subject), value, until }),
    get: async (subjects) => toBlocks(await shelf.get(subjects.map(subjectText))),
    list: async () => toBlocks(await shelf.list()),
    remove: (subject) => shelf.remove(subjectText(subject)),
  };
}

function toBlocks(answer: Answer<readonly ShelfEntry[]>): Answer<readonly Block[]> {
  return answer.kind === "unknown" ? answer : known(answer.value.flatMap(toBlock));
}

/** What another version wrote and we cannot read is no block. */
function toBlock({ key, value, since, until }: ShelfEntry): readonly Block[] {
  const subject = parseSubject(key);
  if (!subject || typeof value !== "object" || value === null || !("reason" in value)) return [];
  const { reason, by, evidence = null } = value;
  if (typeof reason !== "string" || typeof by !== "string") return [];
  return [{ subject, reason, by, evidence, since, until }];
}
