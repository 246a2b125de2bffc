import type { Answer } from "../reputation/reputation.ts";
import { ControlError } from "./control.ts";

/** What reputation answered. Throws ControlError("unavailable") where it could not. */
export function answered<T>(answer: Answer<T>): T {
  if (answer.kind === "known") return answer.value;
  throw new ControlError("unavailable", `reputation: ${answer.reason}`);
}
