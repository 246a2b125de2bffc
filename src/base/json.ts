/** What may be stored as evidence: plain JSON, so that it can be read back years later. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };
