import type { GreylistState, GreylistTimes } from "./greylist.ts";
import type { Subject } from "./reputation.ts";
import type { ShelfEntry } from "./shelf.ts";
import type { Learned, StoredRecord } from "./subject-record.ts";

/**
 * What a product must do for stored-reputation.ts, which makes a Reputation of it. Every call ends
 * within the backend's own limit and rejects with Unavailable when it cannot be done. What is sent
 * first is done first: a read sees the write that was called before it.
 */
export interface ReputationBackend {
  read(subjects: readonly Subject[]): Promise<readonly (StoredRecord | null)[]>;
  /** May be done in part when it rejects; then it is not tried again. */
  write(batch: LearnedBatch): Promise<void>;
  forget(subjects: readonly Subject[]): Promise<number>;
  claim(id: string, now: number, forMs: number): Promise<boolean>;
  readonly greylist: GreylistBackend;
  readonly shelf: ShelfBackend;
  close(): Promise<void>;
}

export interface LearnedBatch {
  readonly subjects: readonly { readonly subject: Subject; readonly learned: Learned }[];
  readonly hits: readonly ShelfHit[];
  readonly now: number;
}

export type ShelfName = "blocks" | "exceptions" | "file-entries";

export interface ShelfHit {
  readonly shelf: ShelfName;
  readonly key: string;
  readonly count: number;
}

export interface GreylistBackend {
  peek(key: string, times: GreylistTimes, now: number): Promise<GreylistState>;
  touch(key: string, times: GreylistTimes, now: number): Promise<GreylistState>;
  allow(key: string, times: GreylistTimes, now: number): Promise<void>;
  forget(key: string, now: number): Promise<boolean>;
}

export interface ShelfBackend {
  put(
    shelf: ShelfName,
    entry: Pick<ShelfEntry, "key" | "value" | "until">,
    now: number,
  ): Promise<void>;
  get(shelf: ShelfName, keys: readonly string[], now: number): Promise<readonly ShelfEntry[]>;
  list(shelf: ShelfName, now: number): Promise<readonly ShelfEntry[]>;
  remove(shelf: ShelfName, key: string, now: number): Promise<boolean>;
}
