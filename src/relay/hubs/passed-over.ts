import type { PassedOver } from "../../pipeline/facts.ts";
import type { Hop } from "./hubs.ts";

/** Of ten servers with five addresses each the first few tell enough. */
const PASSED_OVER_MAX = 5;

/** The servers that could not be had. */
export interface PassedOverNotes {
  note(hub: string | null, reason: string): void;
  /** What became of the last one, with the others. */
  toldIn<One extends End>(end: One): One;
}

interface End {
  readonly hub: string | null;
  readonly hop?: Hop;
  /** Why it could not be had either. */
  readonly reason?: string;
}

export function createPassedOverNotes(): PassedOverNotes {
  const noted: PassedOver[] = [];
  return {
    note(hub, reason) {
      if (noted.length < PASSED_OVER_MAX) noted.push({ hub, reason });
    },
    toldIn(end) {
      const passedOver = noted.filter(
        ({ hub, reason }) => hub !== end.hub || reason !== end.reason,
      );
      return passedOver.length === 0 ? end : { ...end, hop: { ...end.hop, passedOver } };
    },
  };
}
