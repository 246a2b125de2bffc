/** An entry of access.yaml that lets a client or a sender past spam checks, or refuses him. */
export interface FileException {
  readonly list: "allow" | "block";
  /** One of the two. */
  readonly client?: string | undefined;
  readonly sender?:
    | {
        readonly addresses?: readonly string[] | undefined;
        readonly domains?: readonly string[] | undefined;
        readonly domainsAndSubdomains?: readonly string[] | undefined;
      }
    | undefined;
  /** Absent: every spam stage. */
  readonly scope?: readonly string[] | undefined;
  readonly authenticated?: boolean | undefined;
  readonly reason: string;
  /** Milliseconds since the epoch; null: it has no end. */
  readonly endsAt: number | null;
  /** What its uses are counted under. */
  readonly fileKey: string;
  readonly line: number;
}
