import { known } from "../../src/reputation/reputation.ts";
import { createExceptionBook, type ExceptionBook } from "../../src/stages/access/exception-book.ts";
import { createFakeClock } from "./fake-clock.ts";

/** A book of exceptions for a gateway where nobody made one by command. */
export function noExceptions(): ExceptionBook {
  return createExceptionBook({ list: async () => known([]) }, createFakeClock());
}
