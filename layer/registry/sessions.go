package registry

func (u *upload) recall()   {}
func (u *upload) remember() {}
func (u *upload) forget()   {}
