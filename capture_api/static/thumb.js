// A small picture of a photo: lists stay light however many photos of 50 megapixels are in them.

const LONGEST_PX = 480;

/** A JPEG of at most 480 pixels a side, or null for a kind of photo that this browser cannot show. */
export async function thumbOf(blob) {
  const picture = await createImageBitmap(blob).catch(() => null); // upright: it follows what EXIF says
  if (!picture) return null;
  const scale = Math.min(1, LONGEST_PX / Math.max(picture.width, picture.height));
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.max(1, Math.round(picture.width * scale)), height: Math.max(1, Math.round(picture.height * scale)),
  });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.8); });
}
