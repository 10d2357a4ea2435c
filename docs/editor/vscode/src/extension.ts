import * as vscode from "vscode";
import { LanguageClient, LanguageClientOptions, ServerOptions } from "vscode-languageclient/node";

let client: LanguageClient | undefined;

async function start(): Promise<void> {
  const [command, ...args] = vscode.workspace
    .getConfiguration("pdesl")
    .get<string[]>("command", ["pdesl", "lsp"]);
  if (!command) {
    void vscode.window.showErrorMessage("pdesl: the setting pdesl.command is empty");
    return;
  }
  const server: ServerOptions = { command, args };
  const options: LanguageClientOptions = { documentSelector: [{ language: "pde" }] };
  client = new LanguageClient("pdesl", "pdesl", server, options);
  try {
    await client.start();
  } catch {
    void vscode.window.showErrorMessage(
      `pdesl: "${[command, ...args].join(" ")}" did not start. Install it with ` +
        'pip install "pdesl[editor]", or name it in the setting pdesl.command.'
    );
  }
}

async function stop(): Promise<void> {
  const old = client;
  client = undefined;
  await old?.stop();
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("pdesl.restart", async () => {
      await stop();
      await start();
    })
  );
  await start();
}

export function deactivate(): Promise<void> {
  return stop();
}
