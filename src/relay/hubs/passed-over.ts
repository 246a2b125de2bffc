import type { PassedOver } from "../../pipeline/facts.ts";
import type { Hop } from "./hubs.ts";

/** Of ten servers with five addresses each the first few tell enough. */
const PASSED_OVER_MAX = 5;

/** The servers that could not be had before the one that could. */
export interface PassedOverNotes {
  note(hub: string | null, reason: string): void;
  /** The hop, with them. */
  tellIn(hop: Hop): Hop;
}

export function createPassedOverNotes(): PassedOverNotes {
  const noted: PassedOver[] = [];
  return {
    note(hub, reason) {
      if (noted.length < PASSED_OVER_MAX) noted.push({ hub, reason });
    },
    tellIn: (hop) => (noted.length === 0 ? hop : { ...hop, passedOver: [...noted] }),
  };
}
