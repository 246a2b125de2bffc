import type { MessageSource } from "../mail/message.ts";
import type { HoldOrder, KnownEntry, SpoolItem } from "./spool.ts";

/**
 * What an operator does with single entries. An entry that is being delivered is never taken from
 * its attempt. Changes are durable when they resolve; methods may throw Unavailable("spool").
 */
export interface SpoolDesk {
  /** Ids of entries for the id of an entry or of a transaction, in any case. */
  find(text: string): readonly string[];
  /** Reads the file. Null when there is no such entry any more, or it is damaged and set aside. */
  read(id: string): Promise<EntryStory | null>;
  /** Resolves when the files of all entries have been read since the start. */
  allRead(): Promise<void>;
  /** Due now. What is held is released by it. */
  retry(id: string, order: DeskOrder): Promise<DeskResult>;
  /** What is being delivered is held when this attempt is over, also by a crash, unless it was delivered. */
  hold(id: string, order: HoldOrder): Promise<DeskResult>;
  /** Due now, as it was before it was held. After a hold for crashes one more holds it again. */
  release(id: string, order: DeskOrder): Promise<DeskResult>;
  /** For whoever wants to remove it: nobody delivers it until `remove` or `putBack`. */
  take(id: string): Promise<TakenEntry | Exclude<DeskResult, { kind: "done" }>>;
}

export type DeskOrder = Pick<HoldOrder, "at">;

export type DeskResult =
  /** `item`: as it is now; null where its file did not change. */
  | { readonly kind: "done"; readonly item: SpoolItem | null }
  /** An attempt has it; `willHold`: it is held when that has ended. */
  | { readonly kind: "active"; readonly willHold: boolean }
  | { readonly kind: "not-found" }
  /** It is so already. */
  | { readonly kind: "unchanged" }
  /** Damaged: set aside. */
  | { readonly kind: "corrupt" };

export interface TakenEntry {
  readonly kind: "taken";
  readonly item: SpoolItem;
  readonly source: MessageSource;
  /** Gone, durably. */
  remove(): Promise<void>;
  putBack(): void;
}

/** All about one entry. */
export interface EntryStory {
  readonly item: SpoolItem;
  readonly state: KnownEntry["state"];
  /** As it is now: its file may name a later time. */
  readonly dueAt: number;
  /** Notes of its attempts, crashes and holds, the last ones when there are many. */
  readonly history: readonly HistoryNote[];
  readonly source: MessageSource;
}

export interface HistoryNote {
  /** Absent in notes of earlier versions. */
  readonly at?: number;
  readonly attempts: number;
  readonly reason: string;
  readonly crashes?: number;
  readonly held?: HoldOrder;
}
