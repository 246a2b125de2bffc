import type { TlsFacts } from "./session-handler.ts";

/** What a session needs of the connection it speaks over. Nothing here throws or rejects. */
export interface Wire {
  /** Whole lines. Silently nothing when the client is gone or a TLS handshake runs. */
  write(text: string): void;
  /** False while the client leaves our replies unread. */
  hasRoom(): boolean;
  /** Resolves when there is room again, or nobody who could make it. */
  flushed(): Promise<void>;
  /** Octets that have arrived behind the chunk that is being looked at. */
  unread(): number;
  /** Drops what was received, then becomes TLS; `WireListener.secured` tells the end of it. */
  startTls(): void;
  /** What was written is still sent; what arrives is dropped. */
  close(): void;
  destroy(): void;
}

/** What a connection tells its session, one call at a time except `left`. */
export interface WireListener {
  /** Looks at the chunk and resolves to the number of octets done with, at least one. */
  consume(chunk: Buffer): Promise<number>;
  /** Everything that arrived has been looked at: it is the client's turn. */
  idle(): void;
  secured(tls: TlsFacts): void;
  /** The connection is over. `handshakeError`: during a TLS handshake, with OpenSSL's code if any. */
  left(reason: string, handshakeError?: string): void;
}
