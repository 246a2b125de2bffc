import { serveStore } from "../base/sqlite-thread.ts";
import { store } from "./tracking-store.ts";

serveStore(store);
