import type { Answer } from "../reputation/reputation.ts";
import { ControlError } from "./control.ts";

/** What reputation answered. Throws ControlError("unavailable"), whose text names what is away. */
export function answered<T>(answer: Answer<T>): T {
  if (answer.kind === "known") return answer.value;
  throw new ControlError("unavailable", answer.reason);
}
