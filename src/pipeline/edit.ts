/**
 * A change to the message, as a value. Stages propose, the gateway applies once, in plan order,
 * after the decision. Other kinds (envelope, body, score) join this union with the stages that
 * need them.
 */
export type Edit = HeaderEdit;

export type HeaderEdit =
  /** Added on top of the message; value without CR or LF (the engine folds). */
  | { readonly kind: "add-header"; readonly name: string; readonly value: string }
  /** Removes every field of that name. */
  | { readonly kind: "remove-header"; readonly name: string };
