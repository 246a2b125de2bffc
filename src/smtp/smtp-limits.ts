/** What one client may take, in octets and seconds; the part of limits.yaml that smtp/ enforces. */
export interface SmtpLimits {
  readonly connections: {
    readonly max: number;
    /** Of one IPv4 address or one IPv6 /64. */
    readonly perClient: number;
    readonly newPerClientPerMinute: number;
  };
  readonly session: {
    readonly transactions: number;
    readonly recipients: number;
    readonly errorsSoft: number;
    readonly errorsHard: number;
    /** Unknown recipients of one client within some minutes, over all his sessions. */
    readonly unknownSoft: number;
    readonly unknownHard: number;
    /** How late each beyond the soft limit is answered. */
    readonly unknownDelaySeconds: number;
    readonly idleCommands: number;
    readonly commandBytes: number;
    readonly commandWaitSeconds: number;
    readonly commandLineSeconds: number;
    readonly totalSeconds: number;
    /** How long an unknown client waits for the end of the greeting; 0: not at all. */
    readonly greetDelaySeconds: number;
  };
  readonly message: {
    readonly maxBytes: number;
    readonly headerBytes: number;
    readonly headerLines: number;
    readonly minBytesPerSecond: number;
  };
}
