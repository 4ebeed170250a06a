/** Words of speaking to a device. */
export const talk = {
  en: {
    talk: {
      off: 'Speak to this channel', calling: 'Calling the device; press to give up', on: 'Speaking; press to end', over: 'The device ended the talk.', denied: 'The browser gives this page no microphone: allow it in the address bar.',
      insecure: 'A browser gives a microphone to HTTPS only. Start the server with http.tls.auto=true, install the root certificate from /tls/root.crt, and open the console by https.',
    },
  },
  zh: {
    talk: {
      off: '对该通道讲话', calling: '正在呼叫设备，点击放弃', on: '正在讲话，点击结束', over: '设备结束了对讲。', denied: '浏览器未授权麦克风，请在地址栏中允许。',
      insecure: '浏览器仅对 HTTPS 页面开放麦克风。请以 http.tls.auto=true 启动服务，安装 /tls/root.crt 根证书，并通过 https 打开控制台。',
    },
  },
}
