import type { Clock } from "../base/clock.ts";
import type { Lesson, Subject } from "./reputation.ts";
import { gatherLessons, type Learned, learned, type StoredRecord } from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/** Some 5 MB. Clients that are busy now are far fewer. */
const MAX_HOT = 10_000;

/** Records read lately, with what was learned here since. */
export interface HotRecords {
  /** Null: nothing is known of it. Undefined: the store must be asked. */
  get(subject: Subject): StoredRecord | null | undefined;
  /** To be called before the store is asked; the function takes its answer, unless it is old by then. */
  expect(subject: Subject): (record: StoredRecord | null) => void;
  learn(lesson: Lesson, now: number, halfLifeMs: number): void;
  drop(subject: Subject): void;
}

export function createHotRecords({
  clock,
  keepMs,
}: {
  readonly clock: Pick<Clock, "monotonic">;
  /** 0: nothing is kept. */
  readonly keepMs: number;
}): HotRecords {
  const hot = new Map<string, { readonly record: StoredRecord | null; readonly end: number }>();
  /** Reads under way; a lesson in between makes their answer old. */
  const expected = new Map<string, object>();
  const find = (key: string) => {
    const entry = hot.get(key);
    if (entry && entry.end > clock.monotonic()) return entry;
    hot.delete(key);
    return undefined;
  };
  return {
    get: (subject) => find(subjectText(subject))?.record,
    expect(subject) {
      if (keepMs === 0) return () => {};
      const key = subjectText(subject);
      const end = clock.monotonic() + keepMs;
      const expectation = {};
      expected.set(key, expectation);
      return (record) => {
        if (expected.get(key) !== expectation) return;
        expected.delete(key);
        hot.set(key, { record, end });
        for (const oldest of hot.size > MAX_HOT ? hot.keys().take(1) : []) hot.delete(oldest);
      };
    },
    learn(lesson, now, halfLifeMs) {
      const key = subjectText(lesson.subject);
      expected.delete(key);
      const entry = find(key);
      if (!entry) return;
      const gathered = new Map<string, { readonly subject: Subject; readonly learned: Learned }>();
      gatherLessons(gathered, [lesson], subjectText);
      const news = gathered.get(key)?.learned;
      if (news) hot.set(key, { ...entry, record: learned(entry.record, news, now, halfLifeMs) });
    },
    drop(subject) {
      expected.delete(subjectText(subject));
      hot.delete(subjectText(subject));
    },
  };
}
