/** `limits.yaml` with its defaults filled in (behaviour.md section 5). */
export interface Limits {
  readonly connections: {
    readonly max: number;
    readonly perClient: number;
    readonly newPerClientPerMinute: number;
  };
  readonly session: {
    readonly transactions: number;
    readonly recipients: number;
    readonly errorsSoft: number;
    readonly errorsHard: number;
    readonly idleCommands: number;
    readonly commandBytes: number;
    readonly commandWaitSeconds: number;
    readonly commandLineSeconds: number;
    readonly totalSeconds: number;
  };
  readonly message: {
    readonly maxBytes: number;
    readonly headerBytes: number;
    readonly headerLines: number;
    readonly receivedHeaders: number;
    readonly minBytesPerSecond: number;
  };
  readonly memory: { readonly messageBytes: number; readonly totalBytes: number };
  readonly delivery: {
    /** How long the client waits for the hub before the message is spooled. */
    readonly waitSeconds: number;
    readonly retryFirstSeconds: number;
    readonly retryMaxSeconds: number;
    readonly warnAfterSeconds: number;
    readonly giveUpAfterSeconds: number;
  };
  readonly disk: { readonly minFreePercent: number };
}
