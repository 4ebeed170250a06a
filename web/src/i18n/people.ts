/** Words of users, roles, keys and the audit. */
export const people = {
  en: {
    password: { change: 'Change password', current: 'Current password', next: 'New password', again: 'New password again', differs: 'The two are not the same.', ends: 'All your sessions end, this one included.', changed: 'The password is changed. Sign in with the new one.' },
  },
  zh: {
    password: { change: '修改密码', current: '当前密码', next: '新密码', again: '再次输入新密码', differs: '两次输入不一致。', ends: '您的全部会话都会结束，包括当前会话。', changed: '密码已修改，请用新密码登录。' },
  },
}
