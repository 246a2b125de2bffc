import { writeFile } from "node:fs/promises";
import type { ScriptedHub } from "./scripted-hub.ts";
import type { TestGateway } from "./test-gateway.ts";
import { createUserFile, type UserFile } from "./user-file.ts";
import { type EdgeOptions, withEdge } from "./with-edge.ts";

export const MESSAGE =
  "From: <alice@example.org>\r\nTo: <bob@elsewhere.test>\r\nSubject: out\r\n\r\nHello Bob\r\n";
export const LETTER = { from: "alice@example.org", to: "bob@elsewhere.test", message: MESSAGE };

export interface Scene {
  readonly edge: TestGateway;
  readonly hub: ScriptedHub;
  readonly users: UserFile;
}

export interface SceneOptions extends EdgeOptions {
  readonly listener?: Readonly<Record<string, unknown>>;
  readonly workers?: number;
}

/** A hub listener with the user alice, whose mail goes to the outside through the scripted hub. */
export async function withUsers(
  { listener = {}, workers = 1, policies = {}, ...options }: SceneOptions,
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using users = await createUserFile({ "Alice@example.org": "secret" });
  const inside = { name: "inside", kind: "hub", listen: "127.0.0.1:0", auth: users.path };
  const settings = {
    workers,
    listeners: [{ ...inside, ...listener }],
    metrics: { listen: "127.0.0.1:0" },
    ...options.settings,
  };
  await withEdge({ ...options, settings, policies }, async (edge, hub) => {
    // The port of the hub is known only now.
    await rewriteRouting(edge, hub.port);
    await work({ edge, hub, users });
  });
}

async function rewriteRouting(edge: TestGateway, port: number): Promise<void> {
  const smarthosts = `["127.0.0.1:${port}"]`;
  const text = `connectors: { out: { domains: ["*"], smarthosts: ${smarthosts} } }\n`;
  await writeFile(`${edge.folder}/policies/routing.yaml`, text);
  await edge.gateway.reloadPolicy();
}
