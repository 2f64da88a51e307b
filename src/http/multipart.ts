/**
 * How is a form sent? As one Blob in multipart/form-data (RFC 7578), made at once: its length is known, so that no
 * server has to take a chunked form, and it can be sent again.
 */

const crlf = '\r\n';

/** Whether `input` is a form: of the platform, or of any copy of undici. */
export function isFormData(input: object): input is FormData {
  return (input as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'FormData';
}

/** `form` as a Blob whose type names the boundary. */
export function multipartBlob(form: FormData): Blob {
  const boundary = `----inmesh-${crypto.randomUUID()}`;
  const parts: (string | Blob)[] = [];
  for (const [name, value] of form) {
    const head = `--${boundary}${crlf}content-disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === 'string') parts.push(`${head}${crlf}${crlf}${lines(value)}${crlf}`);
    else {
      const type = value.type || 'application/octet-stream';
      parts.push(
        `${head}; filename="${quoted(value.name, true)}"${crlf}content-type: ${type}${crlf}${crlf}`,
        value,
        crlf,
      );
    }
  }
  parts.push(`--${boundary}--${crlf}`);
  return new Blob(parts, { type: `multipart/form-data; boundary=${boundary}` });
}

/** A name as the HTML standard escapes it; file names keep their line ends. */
function quoted(name: string, isFile = false): string {
  const text = isFile ? name : lines(name);
  return text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}

function lines(text: string): string {
  return text.replace(/\r\n|\r|\n/g, crlf);
}
