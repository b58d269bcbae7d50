// The camera within the page: several photos one after another, without leaving it.

import { announce } from "./page.js";
import { count } from "./words.js";

const WISHES = { video: { facingMode: { ideal: "environment" }, width: { ideal: 4096 }, height: { ideal: 3072 } }, audio: false };
const REASONS = {
  NotAllowedError: "The camera was not allowed. Allow it in the browser’s settings for this site, or use “Take a photo”.",
  NotFoundError: "There is no camera here. Choose photos from the gallery.",
  NotReadableError: "Another app uses the camera. Close it, then try again.",
};

export class Camera {
  /** `dialog` opens by `button` where the browser has cameras; `onPhoto(file)` for each press of the shutter. */
  constructor(dialog, button, onPhoto) {
    Object.assign(this, { dialog, onPhoto, stream: null, taken: 0 });
    this.part = (selector) => dialog.querySelector(selector);
    button.hidden = !navigator.mediaDevices?.getUserMedia; // over plain http there is none
    button.onclick = () => this.#open();
    this.part(".shutter").onclick = () => this.#take();
    this.part(".close").onclick = () => dialog.close();
    dialog.addEventListener("close", () => this.#stop());
    document.addEventListener("visibilitychange", () => { if (document.hidden) dialog.close(); }); // its light goes out too
  }

  async #open() {
    this.taken = 0;
    this.part(".said").textContent = "Starting the camera…";
    this.part(".shutter").disabled = true;
    this.dialog.showModal();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(WISHES);
      if (!this.dialog.open) return this.#stop(); // closed while the browser asked
      const video = this.part("video");
      video.srcObject = this.stream;
      await video.play();
      this.part(".said").textContent = "";
      this.part(".shutter").disabled = false;
      this.part(".shutter").focus();
    } catch (error) {
      this.part(".said").textContent = REASONS[error.name] ?? `The camera cannot be used (${error.message}).`;
    }
  }

  async #take() {
    this.part(".shutter").disabled = true;
    try {
      const picture = await this.#still();
      this.taken += 1;
      this.part(".said").textContent = `${count(this.taken, "photo")} taken`;
      announce(`${count(this.taken, "photo")} taken.`);
      const name = `photo-${new Date().toISOString().slice(0, 19).replace(/:/g, "").replace("T", "-")}.jpg`;
      await this.onPhoto(new File([picture], name, { type: picture.type }));
    } catch (error) {
      this.part(".said").textContent = `The photo could not be taken (${error.message}). Try again.`;
    }
    this.part(".shutter").disabled = !this.stream;
  }

  /** The sensor's own still where the browser gives it; else the picture on the screen. */
  async #still() {
    const [track] = this.stream.getVideoTracks();
    const still = "ImageCapture" in globalThis ? await new ImageCapture(track).takePhoto().catch(() => null) : null;
    return still?.type === "image/jpeg" ? still : this.#frame();
  }

  #frame() {
    const video = this.part("video");
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", 0.95);
    });
  }

  #stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.part("video").srcObject = null;
  }
}
