// What the scripts use of htmx, which a script element of its own loads.
declare const htmx: {
  ajax(verb: string, url: string, options: Record<string, unknown>): Promise<void>;
  process(element: Element, again?: boolean): void;
  registerExtension(name: string, extension: Record<string, unknown>): void;
};
