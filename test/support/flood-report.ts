/** What a load is to do, and what has come of it so far: both travel between processes as JSON. */
export type FloodOrder =
  /** An octet every ten seconds, one half in a command, the other in DATA. */
  | { readonly kind: "slow"; readonly clients: number; readonly addresses: number }
  /** Connects and says nothing. */
  | { readonly kind: "connect"; readonly clients: number; readonly addresses: number }
  /** NOOP until so many were answered; the odd sessions pipeline. */
  | { readonly kind: "noop"; readonly commands: number }
  /** RCPT until so many were answered; the first session sends them all at once. */
  | { readonly kind: "rcpt"; readonly commands: number }
  /** One message that is pushed for as long as it is taken. */
  | { readonly kind: "data"; readonly shape: DataShape; readonly octets: number }
  /** Half a handshake: a true ClientHello and silence, or junk instead. */
  | { readonly kind: "handshake"; readonly clients: number; readonly junk: boolean }
  /** Pipelines and never reads a reply. */
  | { readonly kind: "deaf"; readonly clients: number };

export type DataShape = "lines" | "one-line" | "header-lines";

export interface FloodReport {
  readonly connected: number;
  readonly closed: number;
  /** Octets that the kernel took. */
  readonly sent: number;
  /** Replies by basic code; of several lines, the last. */
  readonly replies: Readonly<Record<string, number>>;
  /** "421 4.4.2": the texts of closing replies, by their first two words. */
  readonly goodbyes: Readonly<Record<string, number>>;
  /** It has done all it was to do, but for staying connected. */
  readonly done: boolean;
}
