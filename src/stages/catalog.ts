import type { AnyStage } from "../pipeline/stage.ts";
import { accessStage } from "./access/access.ts";
import { type AntivirusServices, antivirusStage } from "./antivirus/antivirus.ts";
import { type DomainsServices, domainsStage } from "./domains/domains.ts";

/** What the stages need of the world; compose.ts gives it. */
export interface StageServices extends AntivirusServices, DomainsServices {}

/** Every stage there is. A new one is one more word here. */
export function createCatalog(): readonly AnyStage<StageServices>[] {
  return [accessStage, domainsStage, antivirusStage];
}
